"""Identity numbers of persons, sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for table in ("customer", "contact"):
        op.add_column(table, sa.Column("identity_number_sealed", sa.LargeBinary()))
        op.add_column(table, sa.Column("identity_number_index", sa.LargeBinary()))
        op.add_column(table, sa.Column("identity_number_shown", sa.Text(collation="C")))
        op.create_index(f"ix_{table}_identity_number_index", table, ["identity_number_index"])
