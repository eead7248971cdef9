"""What deleted records held, for legal holds that come late, and whom events of before may still tell of."""

from alembic import op
from chassis import personal_data

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    personal_data.create_tables(op.get_bind())
