"""Allocations of customers of pools, what they owe to whom, and when they happen by themselves."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_allocations()
    _create_debts()


def _create_allocations() -> None:
    op.create_table(
        "pool_allocation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("scheduled_time", TIME),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("strategy", PLAIN, nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("note", PLAIN, nullable=False),
        sa.Column("options", postgresql.JSONB(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("processed", sa.Integer(), nullable=False),
        sa.Column("given", sa.Integer(), nullable=False),
        sa.Column("shares", postgresql.JSONB(), nullable=False),
        sa.Column("failure_reason", PLAIN, nullable=False),
        sa.Column("failure_message", PLAIN, nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("end_time", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pool_allocation")),
    )
    op.create_index("ix_pool_allocation_pool", "pool_allocation", ["pool_id", "create_time", "id"])
    op.execute(
        "CREATE UNIQUE INDEX uq_pool_allocation_under_way ON pool_allocation (pool_id) "
        "WHERE state IN ('QUEUED', 'RUNNING') AND NOT dry_run"
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_pool_allocation_scheduled ON pool_allocation (pool_id, scheduled_time) "
        "WHERE scheduled_time IS NOT NULL"
    )
    op.create_table(
        "pool_allocation_item",
        sa.Column("allocation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("value", sa.Numeric(38, 6), nullable=False),
        sa.Column("reason", PLAIN, nullable=False),
        sa.ForeignKeyConstraint(
            ["allocation_id"],
            ["pool_allocation.id"],
            name=op.f("fk_pool_allocation_item_allocation_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("allocation_id", "number", name=op.f("pk_pool_allocation_item")),
    )


def _create_debts() -> None:
    op.create_table(
        "pool_fairness",
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("count_debt", sa.Numeric(30, 9), nullable=False),
        sa.Column("value_debt", sa.Numeric(38, 6), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["pool.id"], name=op.f("fk_pool_fairness_pool_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pool_id", "user_id", name=op.f("pk_pool_fairness")),
    )
    op.create_table(
        "pool_allocation_setting",
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("value_field", PLAIN, nullable=False),
        sa.Column("schedule", postgresql.JSONB()),
        sa.Column("since", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["pool.id"], name=op.f("fk_pool_allocation_setting_pool_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pool_id", name=op.f("pk_pool_allocation_setting")),
    )
