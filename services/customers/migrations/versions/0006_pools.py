"""Public pools, their rules, and the ledger of who held which customer."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_pools()
    _create_ledger()
    _widen_customer()


def _create_pools() -> None:
    op.create_table(
        "pool",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("precedence", sa.Integer(), nullable=False),
        sa.Column("department_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("condition", postgresql.JSONB(), nullable=False),
        sa.Column("hidden_fields", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pool")),
    )
    op.create_index("uq_pool_display_name", "pool", ["display_name"], unique=True)
    op.create_index("uq_pool_precedence", "pool", ["precedence"], unique=True)
    op.create_table(
        "pool_member",
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("grantee", PLAIN, nullable=False),
        sa.Column("role", PLAIN, nullable=False),
        sa.CheckConstraint("role IN ('MEMBER', 'ADMINISTRATOR')", name=op.f("ck_pool_member_role")),
        sa.ForeignKeyConstraint(["pool_id"], ["pool.id"], name=op.f("fk_pool_member_pool_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pool_id", "grantee", "role", name=op.f("pk_pool_member")),
    )
    op.create_index("ix_pool_member_grantee", "pool_member", ["grantee"])
    op.create_table(
        "pool_rule_version",
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("effective_date", sa.Date(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["pool.id"], name=op.f("fk_pool_rule_version_pool_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pool_id", "number", name=op.f("pk_pool_rule_version")),
    )
    op.create_table(
        "pool_view",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("pool_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "pool_id", "day", "customer_id", name=op.f("pk_pool_view")),
    )


def _create_ledger() -> None:
    op.create_table(
        "holding_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("previous_user_id", sa.Uuid()),
        sa.Column("previous_pool_id", sa.Uuid()),
        sa.Column("previous_since", TIME, nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("pool_id", sa.Uuid()),
        sa.Column("time", TIME, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("actor", PLAIN, nullable=False),
        sa.Column("reason", PLAIN, nullable=False),
        sa.Column("note", PLAIN, nullable=False),
        sa.Column("rule", PLAIN, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holding_change")),
    )
    op.create_index("ix_holding_change_customer", "holding_change", ["customer_id", "id"])
    op.create_index("ix_holding_change_time", "holding_change", ["time"])
    op.execute("CREATE INDEX ix_holding_change_claims ON holding_change (user_id, day) WHERE kind = 'CLAIMED'")


def _widen_customer() -> None:
    op.add_column("customer", sa.Column("pool_id", sa.Uuid()))
    op.add_column("customer", sa.Column("pool_entry_time", TIME))
    op.add_column("customer", sa.Column("held_since", TIME))
    op.add_column("customer", sa.Column("locked", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_foreign_key(op.f("fk_customer_pool_id"), "customer", "pool", ["pool_id"], ["id"])
    op.create_check_constraint(op.f("ck_customer_holder"), "customer", "owner_id IS NULL OR pool_id IS NULL")
    op.execute("CREATE INDEX ix_customer_pool ON customer (pool_id, pool_entry_time, id) WHERE pool_id IS NOT NULL")
