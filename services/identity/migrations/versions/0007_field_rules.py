"""Rules for fields in roles."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("role", sa.Column("stored_field_rules", JSONB(), nullable=False, server_default=sa.text("'[]'")))
