"""Custom fields of all types and of contacts, tags with rules, and the quality of data."""

import sqlalchemy as sa
from alembic import op
from chassis.migrations import widen_custom_fields
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    widen_custom_fields()
    op.add_column("customer", sa.Column("rule_tags", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}"))
    op.add_column("customer", sa.Column("quality_score", sa.SmallInteger()))
    op.add_column("contact", sa.Column("custom", postgresql.JSONB(), nullable=False, server_default="{}"))
    op.create_index("ix_customer_quality_score", "customer", ["quality_score", "id"])
    op.create_index(
        "ix_contact_custom", "contact", ["custom"], postgresql_using="gin", postgresql_ops={"custom": "jsonb_path_ops"}
    )
    _create_tables()


def _create_tables() -> None:
    op.create_table(
        "tag",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("colour", PLAIN, nullable=False),
        sa.Column("tag_group", PLAIN, nullable=False),
        sa.Column("rule", postgresql.JSONB()),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
    )
    op.create_index("uq_tag_display_name", "tag", ["display_name"], unique=True)
    op.create_table(
        "field_template",
        sa.Column("entity", PLAIN, nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("fields", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("entity", "kind", name=op.f("pk_field_template")),
    )
    op.create_table(
        "quality_weights",
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("weights", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_quality_weights")),
    )
