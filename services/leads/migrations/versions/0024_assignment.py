"""Assignment of leads: rules, what people can take, what they are owed, decisions, and the leads nobody has."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
NO = sa.false()


def upgrade() -> None:
    op.add_column("lead", sa.Column("assignment_skipped", sa.Boolean(), nullable=False, server_default=NO))
    _create_rules()
    _create_people()
    _create_decisions()


def _column(name: str, kind: Any, *, nullable: bool = False, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, **more)


def _create_rules() -> None:
    op.create_table(
        "assignment_rule",
        _column("id", sa.Uuid()),
        _column("display_name", PLAIN),
        _column("priority", sa.BigInteger()),
        _column("disabled", sa.Boolean()),
        _column("active_from", TIME, nullable=True),
        _column("active_until", TIME, nullable=True),
        _column("condition", postgresql.JSONB()),
        _column("strategy", PLAIN),
        _column("users", postgresql.ARRAY(sa.Uuid())),
        _column("departments", postgresql.ARRAY(sa.Uuid())),
        _column("required_skills", postgresql.ARRAY(sa.Text())),
        _column("outside_hours", PLAIN),
        _column("accept_minutes", sa.BigInteger()),
        _column("max_tries", sa.BigInteger()),
        _column("performance_days", sa.BigInteger()),
        _column("fallback_department_id", sa.Uuid(), nullable=True),
        _column("manager_id", sa.Uuid(), nullable=True),
        _column("creator", PLAIN),
        _column("version", sa.BigInteger()),
        _column("create_time", TIME),
        _column("update_time", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment_rule")),
        sa.CheckConstraint(
            "strategy IN ('ROUND_ROBIN', 'LEAST_BUSY', 'WEIGHTED', 'REGION', 'SKILL', 'PERFORMANCE')",
            name=op.f("ck_assignment_rule_strategy"),
        ),
        sa.CheckConstraint(
            "outside_hours IN ('NEXT_WORKER', 'WAIT', 'IGNORE')", name=op.f("ck_assignment_rule_outside_hours")
        ),
    )
    op.create_index("ix_assignment_rule_priority", "assignment_rule", ["priority"], unique=True)
    op.create_table(
        "lead_assignment_settings",
        _column("id", sa.BigInteger()),
        _column("fallback_department_id", sa.Uuid(), nullable=True),
        _column("manager_id", sa.Uuid(), nullable=True),
        _column("version", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_assignment_settings")),
        sa.CheckConstraint("id = 1", name=op.f("ck_lead_assignment_settings_single")),
    )


def _create_people() -> None:
    op.create_table(
        "lead_capacity",
        _column("user_id", sa.Uuid()),
        _column("daily_capacity", sa.BigInteger()),
        _column("monthly_capacity", sa.BigInteger()),
        _column("weight", sa.BigInteger()),
        _column("regions", postgresql.ARRAY(sa.Text())),
        _column("skills", postgresql.ARRAY(sa.Text())),
        _column("hours", postgresql.ARRAY(sa.Text())),
        _column("declines_leads", sa.Boolean()),
        _column("version", sa.BigInteger()),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_lead_capacity")),
    )
    op.create_table(
        "lead_absence",
        _column("id", sa.Uuid()),
        _column("user_id", sa.Uuid()),
        _column("start_time", TIME),
        _column("end_time", TIME),
        _column("creator", PLAIN),
        _column("create_time", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_absence")),
    )
    op.create_index("ix_lead_absence_user", "lead_absence", ["user_id", "start_time", "id"])
    op.create_table(
        "assignment_debt",
        _column("rule_id", sa.Uuid()),
        _column("user_id", sa.Uuid()),
        _column("debt", sa.BigInteger()),
        _column("last_time", TIME, nullable=True),
        sa.PrimaryKeyConstraint("rule_id", "user_id", name=op.f("pk_assignment_debt")),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["assignment_rule.id"], name=op.f("fk_assignment_debt_rule_id"), ondelete="CASCADE"
        ),
    )


def _create_decisions() -> None:
    op.create_table(
        "assignment_round",
        _column("id", sa.Uuid()),
        _column("facts", postgresql.JSONB()),
        _column("create_time", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment_round")),
    )
    op.create_table(
        "lead_assignment",
        _column("id", sa.Uuid()),
        _column("lead_id", sa.Uuid()),
        _column("outcome", PLAIN),
        _column("cause", PLAIN),
        _column("rule_id", sa.Uuid(), nullable=True),
        _column("assignee_id", sa.Uuid(), nullable=True),
        _column("reason", PLAIN),
        _column("acceptance", PLAIN, nullable=True),
        _column("accept_due_time", TIME, nullable=True),
        _column("decline_reason", PLAIN, nullable=True),
        _column("decide_time", TIME),
        _column("settle_time", TIME, nullable=True),
        _column("rules_id", sa.Uuid(), nullable=True),
        _column("candidates_id", sa.Uuid(), nullable=True),
        _column("detail", postgresql.JSONB()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_assignment")),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_lead_assignment_lead_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["rules_id"], ["assignment_round.id"], name=op.f("fk_lead_assignment_rules_id")),
        sa.ForeignKeyConstraint(
            ["candidates_id"], ["assignment_round.id"], name=op.f("fk_lead_assignment_candidates_id")
        ),
        sa.CheckConstraint(
            "outcome IN ('ASSIGNED', 'WAITING', 'POOLED', 'CLAIMED')", name=op.f("ck_lead_assignment_outcome")
        ),
        sa.CheckConstraint(
            "cause IN ('CREATED', 'REQUESTED', 'RETRIED', 'DECLINED', 'EXPIRED', 'CLAIMED')",
            name=op.f("ck_lead_assignment_cause"),
        ),
        sa.CheckConstraint(
            "acceptance IN ('PENDING', 'ACCEPTED', 'DECLINED', 'EXPIRED', 'SUPERSEDED')",
            name=op.f("ck_lead_assignment_acceptance"),
        ),
    )
    op.create_index("ix_lead_assignment_lead", "lead_assignment", ["lead_id", "decide_time", "id"])
    op.create_index(
        "ix_lead_assignment_assignee",
        "lead_assignment",
        ["assignee_id", "decide_time"],
        postgresql_where=sa.text("assignee_id IS NOT NULL"),
    )
    op.create_index(
        "ix_lead_assignment_due",
        "lead_assignment",
        ["accept_due_time"],
        postgresql_where=sa.text("acceptance = 'PENDING'"),
    )
    op.create_table(
        "waiting_lead",
        _column("lead_id", sa.Uuid()),
        _column("waiting", sa.Boolean(), server_default=NO),
        _column("reason", PLAIN),
        _column("rule_id", sa.Uuid(), nullable=True),
        _column("fallback_department_id", sa.Uuid(), nullable=True),
        _column("pool_time", TIME),
        _column("retry_time", TIME, nullable=True),
        _column("cause", PLAIN),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_waiting_lead")),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_waiting_lead_lead_id"), ondelete="CASCADE"),
    )
    op.create_index(
        "ix_waiting_lead_retry_time",
        "waiting_lead",
        ["retry_time", "lead_id"],
        postgresql_where=sa.text("retry_time IS NOT NULL"),
    )
    op.create_index("ix_waiting_lead_pool_time", "waiting_lead", ["pool_time", "lead_id"])
    op.create_index("ix_waiting_lead_department", "waiting_lead", ["fallback_department_id"])
