"""Keep those without an identity number, as nearly all are, out of the index that looks them up."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    known = sa.text("identity_number_index IS NOT NULL")
    for table in ("customer", "contact"):
        name = f"ix_{table}_identity_number_index"
        op.drop_index(name, table)
        op.create_index(name, table, ["identity_number_index"], postgresql_where=known)
