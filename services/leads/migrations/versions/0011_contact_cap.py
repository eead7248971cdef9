"""From which theatre contacts come."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("follow_up", sa.Column("theatre", sa.Text(collation="C")))
    op.add_column("known_department", sa.Column("theatre", sa.Boolean(), nullable=False, server_default=sa.false()))
