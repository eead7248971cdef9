"""What is known of the organisation."""

from alembic import op
from chassis import organisation

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    organisation.create_table(op.get_bind())
