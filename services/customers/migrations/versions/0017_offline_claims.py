"""Claims that were made without a connection."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "offline_claim",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("department_path", PLAIN, nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("reason", PLAIN, nullable=False),
        sa.Column("claim_time", TIME, nullable=False),
        sa.Column("beacon_accepted", sa.Boolean(), nullable=False),
        sa.Column("receive_time", TIME, nullable=False),
        sa.Column("decide_time", TIME, nullable=False),
        sa.CheckConstraint("state IN ('PENDING', 'WON', 'REFUSED')", name=op.f("ck_offline_claim_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offline_claim")),
    )
    op.create_index("ix_offline_claim_user", "offline_claim", ["user_id", "position"])
    op.create_index("ix_offline_claim_customer", "offline_claim", ["customer_id", "claim_time", "position"])
    op.execute("CREATE INDEX ix_offline_claim_pending ON offline_claim (decide_time) WHERE state = 'PENDING'")
