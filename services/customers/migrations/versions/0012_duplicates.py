"""Likely duplicates, and customers that became one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _create_duplicates()
    _create_scans()
    _create_merges()


def _create_duplicates() -> None:
    op.create_table(
        "duplicate_settings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("policy", PLAIN, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_duplicate_settings_one")),
        sa.CheckConstraint("policy IN ('REFUSE', 'WARN', 'ALLOW')", name=op.f("ck_duplicate_settings_policy")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_settings")),
    )
    op.create_table(
        "duplicate_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("members_key", PLAIN, nullable=False),
        sa.Column("score", sa.Numeric(5, 4), nullable=False),
        sa.Column("reasons", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint("state IN ('OPEN', 'DISMISSED', 'MERGED')", name=op.f("ck_duplicate_group_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_group")),
    )
    op.create_index("uq_duplicate_group_members_key", "duplicate_group", ["members_key"], unique=True)
    op.create_index("ix_duplicate_group_state", "duplicate_group", ["state", "score", "id"])
    op.create_table(
        "duplicate_member",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["duplicate_group.id"], name=op.f("fk_duplicate_member_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "customer_id", name=op.f("pk_duplicate_member")),
    )
    op.create_index("ix_duplicate_member_customer", "duplicate_member", ["customer_id"])


def _create_scans() -> None:
    op.create_table(
        "duplicate_key",
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        prefixes=["UNLOGGED"],
    )
    op.create_index("ix_duplicate_key", "duplicate_key", ["scan_id", "key", "customer_id"])


def _create_merges() -> None:
    op.create_table(
        "customer_merge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("other_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("snapshot", postgresql.JSONB()),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("undo_time", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_merge")),
    )
    op.create_index("ix_customer_merge_customer", "customer_merge", ["customer_id", "create_time", "id"])
    op.create_index(
        "ix_customer_merge_kept", "customer_merge", ["create_time"], postgresql_where=sa.text("snapshot IS NOT NULL")
    )
    op.create_table(
        "merged_customer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merged_customer")),
    )
    op.create_index("ix_merged_customer_merge", "merged_customer", ["merge_id"])
    op.create_table(
        "merged_row",
        sa.Column("merge_id", sa.Uuid(), nullable=False),
        sa.Column("source", PLAIN, nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("merge_id", "source", "row_id", name=op.f("pk_merged_row")),
    )
