"""Hand-overs of what people who leave hold, and who is reminded instead of them."""

import sqlalchemy as sa
from alembic import op
from chassis import handover

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    handover.create_tables(op.get_bind())
    op.add_column("follow_up", sa.Column("assignee_id", sa.Uuid()))
    op.add_column("follow_up", sa.Column("follows_owner", sa.Boolean(), nullable=False, server_default=sa.false()))
