"""Leads, and what tells whether a customer is one of them."""

import sqlalchemy as sa
from alembic import op
from chassis.formats import company_key
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
BATCH = 5_000
_TEXTS = (
    "contact_name", "wechat", "credit_code", "source", "channel", "industry", "province", "city", "requirement",
    "remark", "owner_department_path", "registration_state", "rejection_reason",
)  # fmt: skip


def upgrade() -> None:
    _create_lead()
    op.add_column("known_user", sa.Column("active", sa.Boolean(), nullable=False, server_default="true"))
    op.add_column("known_user", sa.Column("partner_id", sa.Uuid()))
    op.add_column("known_customer", sa.Column("company_key", PLAIN, nullable=False, server_default=""))
    op.add_column("known_customer", sa.Column("credit_code", PLAIN))
    _fill_company_keys()
    op.execute("CREATE INDEX ix_known_customer_company_key ON known_customer (company_key) WHERE company_key <> ''")
    op.execute(
        "CREATE INDEX ix_known_customer_credit_code ON known_customer (credit_code) WHERE credit_code IS NOT NULL"
    )


def _create_lead() -> None:
    op.create_table(
        "lead",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_name", PLAIN),
        sa.Column("company_key", PLAIN, nullable=False),
        *[sa.Column(column, PLAIN) for column in _TEXTS],
        sa.Column("phones", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("emails", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("status", PLAIN, nullable=False),
        sa.Column("owner_id", sa.Uuid()),
        sa.Column("registrant", PLAIN, nullable=False),
        sa.Column("registrant_id", sa.Uuid()),
        sa.Column("partner_id", sa.Uuid()),
        sa.Column("protection_expire_time", TIME),
        sa.Column("search_text", PLAIN, nullable=False),
        sa.Column("grams", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint(
            "status IN ('NEW', 'CONTACTED', 'QUALIFIED', 'CONVERTED', 'DISQUALIFIED')", name=op.f("ck_lead_status")
        ),
        sa.CheckConstraint(
            "registration_state IN ('PENDING_APPROVAL', 'APPROVED', 'REJECTED')",
            name=op.f("ck_lead_registration_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead")),
    )
    indexes = {
        "ix_lead_update_time": "(update_time, id)",
        "ix_lead_create_time": "(create_time, id)",
        "ix_lead_owner": "(owner_id, update_time, id)",
        "ix_lead_department": "(owner_department_path)",
        "ix_lead_registrant": "(registrant_id, update_time, id)",
        "ix_lead_company_name": "(company_name, id)",
        "ix_lead_company_key": "(company_key) WHERE company_key <> ''",
        "ix_lead_credit_code": "(credit_code) WHERE credit_code IS NOT NULL",
        "ix_lead_registration_state": "(registration_state) WHERE registration_state IS NOT NULL",
        "ix_lead_phones": "USING gin (phones)",
        "ix_lead_grams": "USING gin (grams)",
    }
    for name, columns in indexes.items():
        op.execute(f"CREATE INDEX {name} ON lead {columns}")


def _fill_company_keys() -> None:
    """Derive the keys of the customers known so far. Whether one is a person was not kept: all are taken for firms."""
    connection = op.get_bind()
    page = sa.text("SELECT id, display_name FROM known_customer WHERE id > :after ORDER BY id LIMIT :batch")
    write = sa.text(
        "UPDATE known_customer SET company_key = new.key"
        " FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[])) AS new (id, key) WHERE known_customer.id = new.id"
    )
    after = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(page, {"after": after, "batch": BATCH}).all():
        ids, keys = [row.id for row in rows], [company_key(row.display_name) for row in rows]
        connection.execute(write, {"ids": ids, "keys": keys})
        after = ids[-1]
