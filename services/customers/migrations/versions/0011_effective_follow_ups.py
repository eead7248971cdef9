"""When somebody last followed up with a customer so that it counts."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("customer", sa.Column("last_effective_follow_up_time", sa.DateTime(timezone=True)))
    # What nobody has judged counted until now, and no clock is to jump.
    op.execute(
        "UPDATE customer SET last_effective_follow_up_time = last_follow_up_time WHERE last_follow_up_time IS NOT NULL"
    )
