"""Mails that are to be sent."""

from alembic import op
from chassis import mail

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    mail.create_table(op.get_bind())
