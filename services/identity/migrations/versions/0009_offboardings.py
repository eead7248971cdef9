"""People who leave, and the hand-over of what they held."""

import sqlalchemy as sa
from alembic import op
from chassis import handover
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    handover.create_tables(op.get_bind())
    op.create_table(
        "offboarding",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("reason", PLAIN, nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("default_successor_id", sa.Uuid(), nullable=False),
        sa.Column("departments", postgresql.JSONB(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("end_time", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_offboarding"),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name="fk_offboarding_user_id_user_account"),
    )
    op.create_index("ix_offboarding_user_id", "offboarding", ["user_id"])
    op.create_index("ix_offboarding_create_time", "offboarding", ["create_time", "id"])
    op.create_index(
        "uq_offboarding_running",
        "offboarding",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("state = 'RUNNING'"),
    )
    op.create_table(
        "offboarding_part",
        sa.Column("offboarding_id", sa.Uuid(), nullable=False),
        sa.Column("service", PLAIN, nullable=False),
        sa.Column("entity", PLAIN, nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *[sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS],
        sa.Column("attached", postgresql.JSONB(), nullable=False),
        sa.Column("failure_reason", PLAIN, nullable=False),
        sa.Column("failure_message", PLAIN, nullable=False),
        sa.PrimaryKeyConstraint("offboarding_id", "service", "entity", name="pk_offboarding_part"),
        sa.ForeignKeyConstraint(
            ["offboarding_id"],
            ["offboarding.id"],
            name="fk_offboarding_part_offboarding_id_offboarding",
            ondelete="CASCADE",
        ),
    )


_COUNTS = ("before", "moved", "withdrawn", "left", "after")
