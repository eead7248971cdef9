"""What was moved for merges of customers."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "moved_follow_up",
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("follow_up_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid()),
        sa.PrimaryKeyConstraint("merge_id", "follow_up_id", name=op.f("pk_moved_follow_up")),
    )
