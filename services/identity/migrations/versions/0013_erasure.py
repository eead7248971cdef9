"""What deleted records held, for legal holds that come late; whom events of before may still tell of; what the digests
of holds are made anew from."""

import sqlalchemy as sa
from alembic import op
from chassis import personal_data

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    personal_data.create_tables(op.get_bind())
    op.add_column("legal_hold", sa.Column("sealed_marks", sa.LargeBinary()))
