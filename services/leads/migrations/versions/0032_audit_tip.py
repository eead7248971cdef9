"""Up to where the audit log was sealed, kept beside it."""

from alembic import op
from chassis import audit

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    audit.create_tip(op.get_bind())
