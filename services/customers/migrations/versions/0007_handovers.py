"""Hand-overs of what people who leave hold."""

from alembic import op
from chassis import handover

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    handover.create_tables(op.get_bind())
