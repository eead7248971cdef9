"""Theatres that follow customers beside their owners, and promises that a new owner has yet to take over."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

PLAIN = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "known_theatre",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("theatre", PLAIN, nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_department_path", PLAIN),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "theatre", name=op.f("pk_known_theatre")),
    )
    op.create_index("ix_known_theatre_owner", "known_theatre", ["owner_id"], postgresql_where=sa.text("active"))
    op.create_index(
        "ix_known_theatre_place", "known_theatre", ["owner_department_path"], postgresql_where=sa.text("active")
    )
    op.add_column("follow_up", sa.Column("joint_theatre", PLAIN))
    op.add_column(
        "follow_up", sa.Column("awaits_acknowledgement", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("follow_up", sa.Column("acknowledge_time", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_follow_up_awaiting", "follow_up", ["customer_id"], postgresql_where=sa.text("awaits_acknowledgement")
    )
