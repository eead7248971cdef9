"""How leads came to be what they are, follow-ups on leads, and leads that become customers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name, kind in (
        ("status_reason", PLAIN),
        ("status_note", PLAIN),
        ("last_follow_up_time", TIME),
        ("last_effective_follow_up_time", TIME),
        ("converted_customer_id", sa.Uuid()),
        ("converted_contact_id", sa.Uuid()),
    ):
        op.add_column("lead", sa.Column(name, kind))
    op.create_index("ix_lead_emails", "lead", ["emails"], postgresql_using="gin")
    op.create_index(
        "ix_lead_converted_customer",
        "lead",
        ["converted_customer_id"],
        postgresql_where=sa.text("converted_customer_id IS NOT NULL"),
    )
    _follow_ups()
    _events()
    _conversions()


def _follow_ups() -> None:
    op.add_column("follow_up", sa.Column("lead_id", sa.Uuid()))
    op.alter_column("follow_up", "customer_id", nullable=True)
    op.create_check_constraint(op.f("ck_follow_up_subject"), "follow_up", "num_nonnulls(lead_id, customer_id) > 0")
    op.create_index(
        "ix_follow_up_lead",
        "follow_up",
        ["lead_id", "occur_time", "id"],
        postgresql_where=sa.text("lead_id IS NOT NULL"),
    )


def _events() -> None:
    op.create_table(
        "lead_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("actor", PLAIN, nullable=False),
        sa.Column("before", PLAIN),
        sa.Column("after", PLAIN),
        sa.Column("reason", PLAIN),
        sa.Column("note", PLAIN),
        sa.Column("occur_time", TIME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('CREATED', 'STATUS_CHANGED', 'OWNER_CHANGED', 'REGISTRATION_DECIDED', 'MERGED', 'CONVERTED')",
            name=op.f("ck_lead_event_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_event")),
    )
    op.create_index("ix_lead_event_lead", "lead_event", ["lead_id", "occur_time", "id"])
    op.execute(
        "INSERT INTO lead_event (id, lead_id, kind, actor, occur_time)"
        " SELECT gen_random_uuid(), id, 'CREATED', registrant, create_time FROM lead"
    )
    op.create_table(
        "lead_rules",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("rules", JSONB(none_as_null=True), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_lead_rules_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_rules")),
    )


def _conversions() -> None:
    op.create_table(
        "lead_conversion",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("contact_id", sa.Uuid()),
        sa.Column("opportunity", JSONB(none_as_null=True)),
        sa.Column("ask_time", TIME, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("end_time", TIME),
        sa.CheckConstraint("state IN ('STARTED', 'DONE', 'CANCELLED')", name=op.f("ck_lead_conversion_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_conversion")),
    )
    op.create_index(
        "uq_lead_conversion_lead",
        "lead_conversion",
        ["lead_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'CANCELLED'"),
    )
    op.create_index(
        "ix_lead_conversion_started",
        "lead_conversion",
        ["ask_time"],
        postgresql_where=sa.text("state = 'STARTED'"),
    )
    op.create_index("ix_lead_conversion_customer", "lead_conversion", ["customer_id"])
