"""Theatres that follow customers beside their owners."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

TIME = sa.DateTime(timezone=True)
_INDEXES = {"owner": "owner_id", "place": "owner_department_path", "department": "department_id"}


def upgrade() -> None:
    op.add_column("known_department", sa.Column("theatre", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "customer_theatre",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_department_path", sa.Text(collation="C")),
        sa.Column("start_time", TIME, nullable=False),
        sa.Column("end_time", TIME),
        sa.Column("last_touch_time", TIME),
        sa.Column("next_contact_time", TIME),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_theatre")),
        sa.UniqueConstraint("customer_id", "department_id", name=op.f("uq_customer_theatre_customer_id_department_id")),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer.id"],
            name=op.f("fk_customer_theatre_customer_id_customer"),
            ondelete="CASCADE",
        ),
    )
    live = sa.text("end_time IS NULL")
    for name, column in _INDEXES.items():
        op.create_index(f"ix_customer_theatre_{name}", "customer_theatre", [column], postgresql_where=live)
