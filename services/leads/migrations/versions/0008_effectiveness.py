"""Whether follow-ups count, what shows it, and the rules they are judged by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("follow_up", sa.Column("duration_seconds", sa.BigInteger()))
    op.add_column("follow_up", sa.Column("inbound", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("follow_up", sa.Column("check_in", postgresql.JSONB()))
    op.add_column("follow_up", sa.Column("verdict", sa.Text(collation="C")))
    op.add_column(
        "follow_up",
        sa.Column("verdict_reasons", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}"),
    )
    op.create_table(
        "follow_up_rules",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_follow_up_rules"),
        sa.CheckConstraint("id = 1", name="ck_follow_up_rules_single"),
    )
