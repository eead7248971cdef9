"""The share that former owners of customers have in what is won after them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "ownership_policy",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("former_owner_share", sa.Numeric(), nullable=False),
        sa.Column("decay_days", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ownership_policy"),
        sa.CheckConstraint("id = 1", name="ck_ownership_policy_single"),
    )
