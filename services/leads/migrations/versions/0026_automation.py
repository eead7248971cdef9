"""Automation rules, their runs, and who may do what."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0026"
down_revision = "0025"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
STATES = "state IN ('DRAFT', 'PUBLISHED', 'SUSPENDED')"
KINDS = "trigger_kind IN ('EVENT', 'FIELD_CHANGE', 'SCHEDULE', 'TIME_AFTER')"
OUTCOMES = "outcome IN ('DONE', 'NOT_MATCHED', 'REFUSED', 'FAILED', 'LOOP')"
DELIVERIES = "state IN ('PENDING', 'DELIVERED', 'FAILED')"


def upgrade() -> None:
    _rules()
    _runs()
    _deliveries()
    _rights()


def _rules() -> None:
    op.create_table(
        "automation_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("trigger_kind", PLAIN, nullable=False),
        sa.Column("trigger", JSONB(), nullable=False),
        sa.Column("condition", PLAIN, nullable=False),
        sa.Column("actions", JSONB(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("suspension_reason", PLAIN),
        sa.Column("publish_time", TIME),
        sa.Column("next_run_time", TIME),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint(STATES, name=op.f("ck_automation_rule_state")),
        sa.CheckConstraint(KINDS, name=op.f("ck_automation_rule_trigger_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automation_rule")),
    )
    op.create_index("uq_automation_rule_display_name", "automation_rule", ["display_name"], unique=True)
    op.create_index("ix_automation_rule_order", "automation_rule", ["priority", "id"])
    op.create_index("ix_automation_rule_author", "automation_rule", ["author_id"])


def _runs() -> None:
    op.create_table(
        "automation_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("rule_name", PLAIN, nullable=False),
        sa.Column("rule_version", sa.BigInteger(), nullable=False),
        sa.Column("occasion", PLAIN, nullable=False),
        sa.Column("record", PLAIN, nullable=False),
        sa.Column("event", PLAIN, nullable=False),
        sa.Column("outcome", PLAIN, nullable=False),
        sa.Column("reason", PLAIN),
        sa.Column("message", PLAIN),
        sa.Column("read_values", JSONB(), nullable=False),
        sa.Column("results", JSONB(), nullable=False),
        sa.Column("depth", sa.BigInteger(), nullable=False),
        sa.Column("run_time", TIME, nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(OUTCOMES, name=op.f("ck_automation_run_outcome")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automation_run")),
    )
    op.create_index("uq_automation_run_occasion", "automation_run", ["rule_id", "occasion"], unique=True)
    op.create_index("ix_automation_run_rule", "automation_run", ["rule_id", "run_time"])
    op.create_index("ix_automation_run_record", "automation_run", ["record", "id"])
    op.create_index("ix_automation_run_time", "automation_run", ["run_time"])
    op.create_table(
        "automation_cause",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("steps", ARRAY(sa.Text()), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_automation_cause")),
    )
    op.create_index("ix_automation_cause_create_time", "automation_cause", ["create_time"])


def _deliveries() -> None:
    op.create_table(
        "automation_delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.BigInteger(), nullable=False),
        sa.Column("record", PLAIN, nullable=False),
        sa.Column("event", PLAIN, nullable=False),
        sa.Column("url", PLAIN, nullable=False),
        sa.Column("fields", ARRAY(sa.Text()), nullable=False),
        sa.Column("state", PLAIN, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_time", TIME, nullable=False),
        sa.Column("last_error", PLAIN),
        sa.Column("create_time", TIME, nullable=False),
        sa.CheckConstraint(DELIVERIES, name=op.f("ck_automation_delivery_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_automation_delivery")),
    )
    op.create_index(
        "ix_automation_delivery_due",
        "automation_delivery",
        ["next_attempt_time"],
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_index("ix_automation_delivery_run", "automation_delivery", ["run_id"])


def _rights() -> None:
    op.create_table(
        "known_role",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("grants", JSONB(), nullable=False),
        sa.Column("field_rules", JSONB(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_role")),
    )
    op.create_table(
        "known_holder",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("roles", ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_holder")),
    )
    op.create_index("ix_known_holder_roles", "known_holder", ["roles"], postgresql_using="gin")
