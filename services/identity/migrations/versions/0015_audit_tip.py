"""Up to where the audit log was sealed, kept beside it."""

from alembic import op
from chassis import audit

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    audit.create_tip(op.get_bind())
