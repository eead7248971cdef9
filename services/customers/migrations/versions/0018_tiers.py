"""Tiers that the company defines, stages of life, and what purchases add up to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
SUM = sa.Numeric(24, 4)

_FIRST_TIERS = """
INSERT INTO tier (id, code, display_name, colour, position, archived, creator, version, create_time, update_time)
SELECT gen_random_uuid(), code, code, '', place, false, 'services/customers', 1, now(), now()
FROM unnest(ARRAY['A', 'B', 'C', 'D', 'E']) WITH ORDINALITY AS first (code, place)
"""
_FIRST_TOTALS = """
INSERT INTO purchase_total
SELECT customer_id,
  count(*) FILTER (WHERE kind = 'ORDER'), coalesce(sum(base_amount) FILTER (WHERE kind = 'ORDER'), 0),
  count(*) FILTER (WHERE kind = 'PAYMENT'), coalesce(sum(base_amount) FILTER (WHERE kind = 'PAYMENT'), 0),
  coalesce(sum(base_amount) FILTER (WHERE kind = 'REFUND'), 0),
  min(time) FILTER (WHERE kind <> 'REFUND'), max(time) FILTER (WHERE kind <> 'REFUND')
FROM purchase GROUP BY customer_id
"""


def upgrade() -> None:
    op.add_column("customer", sa.Column("lifecycle_stage", PLAIN))
    _create_tiers()
    _create_changes()
    _create_totals()
    _create_policies()


def _create_tiers() -> None:
    op.create_table(
        "tier",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", PLAIN, nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("colour", PLAIN, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("rule", postgresql.JSONB()),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier")),
    )
    op.create_index("uq_tier_code", "tier", ["code"], unique=True)
    op.create_index("uq_tier_position", "tier", ["position"], unique=True)
    op.execute(_FIRST_TIERS)
    op.create_table(
        "tier_lock",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.Date()),
        sa.Column("reason", PLAIN, nullable=False),
        sa.Column("locker", PLAIN, nullable=False),
        sa.Column("lock_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_tier_lock_customer_id_customer"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_tier_lock")),
    )


def _create_changes() -> None:
    op.create_table(
        "classification_change",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("aspect", PLAIN, nullable=False),
        sa.Column("before", PLAIN),
        sa.Column("after", PLAIN),
        sa.Column("origin", PLAIN, nullable=False),
        sa.Column("reason", PLAIN, nullable=False),
        sa.Column("actor", PLAIN, nullable=False),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("time", TIME, nullable=False),
        sa.CheckConstraint("aspect IN ('TIER', 'STAGE')", name=op.f("ck_classification_change_aspect")),
        sa.CheckConstraint(
            "origin IN ('RULE', 'MANUAL', 'IMPORT', 'MERGE')", name=op.f("ck_classification_change_origin")
        ),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_classification_change")),
    )
    op.execute(
        "CREATE INDEX ix_classification_change_customer ON classification_change (customer_id, aspect, position DESC)"
    )


def _create_totals() -> None:
    op.create_table(
        "purchase_total",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("order_count", sa.BigInteger(), nullable=False),
        sa.Column("ordered", SUM, nullable=False),
        sa.Column("payment_count", sa.BigInteger(), nullable=False),
        sa.Column("paid", SUM, nullable=False),
        sa.Column("refunded", SUM, nullable=False),
        sa.Column("first_time", TIME),
        sa.Column("last_time", TIME),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_purchase_total")),
    )
    op.execute(_FIRST_TOTALS)


def _create_policies() -> None:
    op.create_table(
        "lifecycle_policy",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("new_days", sa.Integer(), nullable=False),
        sa.Column("active_days", sa.Integer(), nullable=False),
        sa.Column("dormant_days", sa.Integer(), nullable=False),
        sa.Column("won_back_days", sa.Integer(), nullable=False),
        sa.Column("prospect_days", sa.Integer(), nullable=False),
        sa.Column("follow_ups_count", sa.Boolean(), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_lifecycle_policy_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lifecycle_policy")),
    )
    op.create_table(
        "rfm_policy",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("nightly", sa.Boolean(), nullable=False),
        sa.Column("period_days", sa.Integer(), nullable=False),
        sa.Column("base", PLAIN, nullable=False),
        sa.Column("method", PLAIN, nullable=False),
        sa.Column("gross", sa.Boolean(), nullable=False),
        sa.Column("keep_days", sa.Integer(), nullable=False),
        sa.Column("keep_months", sa.Integer(), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_rfm_policy_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rfm_policy")),
    )
