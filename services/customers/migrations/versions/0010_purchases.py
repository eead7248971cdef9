"""Purchases, and the scores of customers by them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
AMOUNT = sa.Numeric(20, 4)


def upgrade() -> None:
    _create_purchase()
    _create_rfm()


def _create_purchase() -> None:
    op.create_table(
        "purchase",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("source", PLAIN, nullable=False),
        sa.Column("external_id", PLAIN, nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.Column("amount", AMOUNT, nullable=False),
        sa.Column("currency", PLAIN, nullable=False),
        sa.Column("base_amount", AMOUNT, nullable=False),
        sa.Column("recorder", PLAIN, nullable=False),
        sa.Column("record_time", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('ORDER', 'PAYMENT', 'REFUND')", name=op.f("ck_purchase_kind")),
        sa.CheckConstraint("amount >= 0 AND base_amount >= 0", name=op.f("ck_purchase_amount")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase")),
    )
    op.create_index("uq_purchase_origin", "purchase", ["source", "external_id"], unique=True)
    op.create_index("ix_purchase_customer", "purchase", ["customer_id", "time", "id"])
    op.create_index("ix_purchase_time", "purchase", ["time"])


def _create_rfm() -> None:
    op.create_table(
        "rfm_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("analysis_date", sa.Date(), nullable=False),
        sa.Column("period_days", sa.Integer(), nullable=False),
        sa.Column("base", PLAIN, nullable=False),
        sa.Column("method", PLAIN, nullable=False),
        sa.Column("gross", sa.Boolean(), nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("customer_count", sa.Integer(), nullable=False),
        sa.Column("failure_reason", PLAIN, nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("end_time", TIME),
        sa.CheckConstraint("state IN ('QUEUED', 'SUCCEEDED', 'FAILED')", name=op.f("ck_rfm_run_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rfm_run")),
    )
    op.execute("CREATE INDEX ix_rfm_run_analysis_date ON rfm_run (analysis_date, id) WHERE state = 'SUCCEEDED'")
    op.create_table(
        "rfm_score",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("recency_days", sa.Integer(), nullable=False),
        sa.Column("frequency", sa.Integer(), nullable=False),
        sa.Column("monetary", sa.Numeric(24, 4), nullable=False),
        sa.Column("r", sa.SmallInteger(), nullable=False),
        sa.Column("f", sa.SmallInteger(), nullable=False),
        sa.Column("m", sa.SmallInteger(), nullable=False),
        sa.Column("segment", PLAIN, nullable=False),
        sa.Column("type", PLAIN, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name=op.f("pk_rfm_score")),
    )
    op.execute("CREATE INDEX ix_rfm_score_monetary ON rfm_score (run_id, monetary DESC, customer_id DESC)")
    op.create_index("ix_rfm_score_segment", "rfm_score", ["run_id", "segment"])
