"""Whether somebody's calendar feed has the times at which tasks are due."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.add_column("calendar_settings", sa.Column("feed_tasks", sa.Boolean(), nullable=False, server_default=sa.false()))
