"""What finds the customers that were deleted in the ledger, page by page."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute("CREATE INDEX ix_holding_change_deleted ON holding_change (customer_id) WHERE kind = 'DELETED'")
