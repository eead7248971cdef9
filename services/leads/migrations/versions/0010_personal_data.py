"""What is collected about people who ask for it, and legal holds."""

from alembic import op
from chassis import personal_data

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    personal_data.create_tables(op.get_bind())
