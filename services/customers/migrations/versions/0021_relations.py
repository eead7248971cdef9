"""What contacts decide, how they and customers relate, and what contacts are searched by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
_CHECKS = {
    "decision_role": "decision_role IN ('DECISION_MAKER', 'INFLUENCER', 'USER', 'GATEKEEPER', 'BUYER', 'CHAMPION', "
    "'APPROVER')",
    "stance": "stance IN ('SUPPORTER', 'NEUTRAL', 'OPPONENT', 'UNKNOWN')",
    "influence": "influence BETWEEN 1 AND 5",
}
_KINDS = "'GROUP', 'SUBSIDIARY', 'BRANCH', 'SUPPLIER', 'PARTNER', 'DISTRIBUTOR', 'INVESTOR', 'COMPETITOR'"


def upgrade() -> None:
    _widen_contact()
    _create_relation()


def _widen_contact() -> None:
    op.add_column("contact", sa.Column("decision_role", PLAIN))
    op.add_column("contact", sa.Column("influence", sa.SmallInteger()))
    op.add_column("contact", sa.Column("stance", PLAIN))
    op.add_column("contact", sa.Column("reports_to_id", sa.Uuid()))
    op.add_column("contact", sa.Column("birthday", sa.Date()))
    op.add_column("contact", sa.Column("search_text", PLAIN, nullable=False, server_default=""))
    op.add_column("contact", sa.Column("grams", postgresql.ARRAY(sa.Integer()), nullable=False, server_default="{}"))
    for name, condition in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_contact_{name}"), "contact", condition)
    op.create_foreign_key(
        op.f("fk_contact_reports_to_id"), "contact", "contact", ["reports_to_id"], ["id"],
        ondelete="SET NULL", deferrable=True, initially="DEFERRED",
    )  # fmt: skip
    op.create_index("ix_contact_grams", "contact", ["grams"], postgresql_using="gin")
    op.execute("CREATE INDEX ix_contact_reports_to ON contact (reports_to_id) WHERE reports_to_id IS NOT NULL")


def _create_relation() -> None:
    op.create_table(
        "customer_relation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_until", sa.Date()),
        sa.Column("remark", PLAIN),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("ck_customer_relation_kind")),
        sa.CheckConstraint("from_id <> to_id", name=op.f("ck_customer_relation_others")),
        sa.CheckConstraint("valid_from <= valid_until", name=op.f("ck_customer_relation_period")),
        sa.ForeignKeyConstraint(
            ["from_id"], ["customer.id"], name=op.f("fk_customer_relation_from_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["to_id"], ["customer.id"], name=op.f("fk_customer_relation_to_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_relation")),
    )
    op.create_index("uq_customer_relation", "customer_relation", ["from_id", "to_id", "kind"], unique=True)
    op.create_index("ix_customer_relation_to", "customer_relation", ["to_id"])
