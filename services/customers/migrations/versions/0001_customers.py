"""Customers, contacts, their timeline, and what is known of users and departments."""

import sqlalchemy as sa
from alembic import op
from chassis.migrations import create_chassis_tables
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

PLAIN = sa.Text(collation="C")
TEXTS = postgresql.ARRAY(sa.Text())
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_chassis_tables(op.get_bind())
    _create_customer()
    _index_customer()
    _create_contact()
    _create_timeline()
    _create_projections()


def _create_customer() -> None:
    op.create_table(
        "customer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("name_key", PLAIN, nullable=False),
        sa.Column("credit_code", PLAIN),
        sa.Column("owner_id", sa.Uuid()),
        sa.Column("owner_department_id", sa.Uuid()),
        sa.Column("owner_department_path", PLAIN),
        sa.Column("status", PLAIN, nullable=False),
        sa.Column("level", PLAIN),
        sa.Column("industry", PLAIN),
        sa.Column("source", PLAIN),
        sa.Column("phones", TEXTS, nullable=False),
        sa.Column("emails", TEXTS, nullable=False),
        sa.Column("website", PLAIN),
        sa.Column("country", PLAIN),
        sa.Column("province", PLAIN),
        sa.Column("city", PLAIN),
        sa.Column("district", PLAIN),
        sa.Column("street", PLAIN),
        sa.Column("postal_code", PLAIN),
        sa.Column("tags", TEXTS, nullable=False),
        sa.Column("custom", postgresql.JSONB(), nullable=False),
        sa.Column("remark", PLAIN),
        sa.Column("external_id", PLAIN),
        sa.Column("search_text", PLAIN, nullable=False),
        sa.Column("grams", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("last_follow_up_time", TIME),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('COMPANY', 'PERSON')", name=op.f("ck_customer_kind")),
        sa.CheckConstraint(
            "status IN ('POTENTIAL', 'ENGAGED', 'WON', 'DORMANT', 'LOST')", name=op.f("ck_customer_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
    )


def _index_customer() -> None:
    unique = {
        "uq_customer_company": ("name_key, (coalesce(credit_code, ''))", "kind = 'COMPANY'"),
        "uq_customer_person": ("name_key, (coalesce(phones[1], ''))", "kind = 'PERSON'"),
        "uq_customer_credit_code": ("credit_code", "credit_code IS NOT NULL"),
        "uq_customer_external_id": ("external_id", "external_id IS NOT NULL"),
    }
    for name, (columns, condition) in unique.items():
        op.execute(f"CREATE UNIQUE INDEX {name} ON customer ({columns}) WHERE {condition}")
    plain = {
        "ix_customer_update_time": "(update_time, id)",
        "ix_customer_owner": "(owner_id, update_time, id)",
        "ix_customer_department": "(owner_department_path)",
        "ix_customer_status": "(status)",
        "ix_customer_create_time": "(create_time, id)",
        "ix_customer_last_follow_up_time": "(last_follow_up_time DESC NULLS LAST, id DESC)",
        "ix_customer_display_name": "(display_name, id)",
        "ix_customer_grams": "USING gin (grams)",
        "ix_customer_tags": "USING gin (tags)",
        "ix_customer_custom": "USING gin (custom jsonb_path_ops)",
    }
    for name, columns in plain.items():
        op.execute(f"CREATE INDEX {name} ON customer {columns}")


def _create_contact() -> None:
    op.create_table(
        "contact",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("job_title", PLAIN),
        sa.Column("phones", TEXTS, nullable=False),
        sa.Column("emails", TEXTS, nullable=False),
        sa.Column("wechat", PLAIN),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("remark", PLAIN),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customer.id"], name=op.f("fk_contact_customer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
    )
    op.execute("CREATE UNIQUE INDEX uq_contact_primary ON contact (customer_id) WHERE is_primary")
    op.execute("CREATE INDEX ix_contact_customer ON contact (customer_id, is_primary DESC, id)")


def _create_timeline() -> None:
    op.create_table(
        "timeline_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("source", PLAIN, nullable=False),
        sa.Column("resource", PLAIN, nullable=False),
        sa.Column("actor", PLAIN, nullable=False),
        sa.Column("summary", PLAIN, nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("occur_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline_entry")),
    )
    op.execute("CREATE INDEX ix_timeline_entry_customer ON timeline_entry (customer_id, occur_time, id)")


def _create_projections() -> None:
    op.create_table(
        "known_department",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("path", PLAIN, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_department")),
    )
    op.create_table(
        "known_user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", PLAIN, nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("department_id", sa.Uuid()),
        sa.Column("department_path", PLAIN),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_user")),
    )
    op.execute("CREATE INDEX ix_known_user_department ON known_user (department_id)")
