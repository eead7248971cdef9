"""Keep large events as they are: those of an import took as long to compress as to write."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.execute("ALTER TABLE outbox ALTER COLUMN data SET STORAGE EXTERNAL")
