"""What keeps customers from falling back into pools, the runs that take them there, warnings and extensions."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("known_department", sa.Column("head_id", sa.Uuid()))
    _create_standing()
    _create_runs()
    _create_extensions()


def _create_standing() -> None:
    op.create_table(
        "customer_standing",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("source", PLAIN, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("open_opportunities", sa.Integer(), nullable=False),
        sa.Column("overdue_receivables", sa.Integer(), nullable=False),
        sa.Column("open_tickets", sa.Integer(), nullable=False),
        sa.Column("last_opportunity_time", TIME),
        sa.Column("update_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_customer_standing_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", "source", name=op.f("pk_customer_standing")),
    )


def _create_runs() -> None:
    op.create_table(
        "recycle_run",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("position", sa.Uuid()),
        sa.Column("recycled", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("end_time", TIME),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_recycle_run")),
    )
    op.create_table(
        "recycle_warning",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("days_before", sa.Integer(), nullable=False),
        sa.Column("send_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_recycle_warning_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", "owner_id", "due_date", "days_before", name=op.f("pk_recycle_warning")),
    )
    op.create_index("ix_recycle_warning_due_date", "recycle_warning", ["due_date"])


def _create_extensions() -> None:
    op.create_table(
        "recycle_extension",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("reason", PLAIN, nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("decider", PLAIN, nullable=False),
        sa.Column("note", PLAIN, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("decide_time", TIME),
        sa.CheckConstraint("state IN ('PENDING', 'APPROVED', 'REJECTED')", name=op.f("ck_recycle_extension_state")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_recycle_extension_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recycle_extension")),
    )
    op.create_index("ix_recycle_extension_customer", "recycle_extension", ["customer_id", "id"])
    op.execute(
        "CREATE UNIQUE INDEX uq_recycle_extension_pending ON recycle_extension (customer_id) WHERE state = 'PENDING'"
    )
    op.execute(
        "CREATE INDEX ix_recycle_extension_approved ON recycle_extension (customer_id, decide_time, days)"
        " WHERE state = 'APPROVED'"
    )
