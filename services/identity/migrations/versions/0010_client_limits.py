"""Limits of clients, their former secrets, and when they were last used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    columns = (
        sa.Column("calls_per_minute", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("allowed_addresses", postgresql.ARRAY(PLAIN), nullable=False, server_default="{}"),
        sa.Column("former_secret_digest", sa.LargeBinary()),
        sa.Column("former_secret_expire_time", TIME),
        sa.Column("last_use_time", TIME),
        sa.Column("last_address", PLAIN),
    )
    for column in columns:
        op.add_column("client", column)
