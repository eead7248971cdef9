"""What was asked of other services."""

from alembic import op
from chassis import restating

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    restating.create_table(op.get_bind())
