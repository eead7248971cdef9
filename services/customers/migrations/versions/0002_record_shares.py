"""Shares of single records."""

from alembic import op
from chassis import sharing

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    sharing.create_table(op.get_bind())
