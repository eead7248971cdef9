"""What deleted records held, for legal holds that come late; whom events of before may still tell of; no names of
customers that are gone."""

from alembic import op
from chassis import personal_data

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    personal_data.create_tables(op.get_bind())
    op.execute("UPDATE known_customer SET display_name = '', company_key = '', credit_code = NULL WHERE deleted")
