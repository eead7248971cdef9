"""Plans, who takes part in them, what became of single occurrences, and how people want their calendars."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)
STATUSES = "status IN ('PLANNED', 'DONE', 'CANCELLED')"


def upgrade() -> None:
    _plans()
    _participants()
    _deviations()
    _settings()


def _plans() -> None:
    op.create_table(
        "plan",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", PLAIN, nullable=False),
        sa.Column("title", PLAIN, nullable=False),
        sa.Column("place", PLAIN),
        sa.Column("organiser", PLAIN, nullable=False),
        sa.Column("contact_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("guests", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("start_time", TIME, nullable=False),
        sa.Column("end_time", TIME, nullable=False),
        sa.Column("time_zone", PLAIN, nullable=False),
        sa.Column("all_day", sa.Boolean(), nullable=False),
        sa.Column("recurrence", PLAIN),
        sa.Column("span_start", TIME, nullable=False),
        sa.Column("span_end", TIME),
        sa.Column("reminder_minutes", postgresql.ARRAY(sa.INTEGER()), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("status", PLAIN, nullable=False),
        sa.Column("result", PLAIN),
        sa.Column("cancel_reason", PLAIN),
        sa.Column("cancel_time", TIME),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("lead_id", sa.Uuid()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("assignee_id", sa.Uuid()),
        sa.Column("assignee_department_path", PLAIN),
        sa.CheckConstraint("kind IN ('VISIT', 'MEETING', 'CALL', 'OTHER')", name=op.f("ck_plan_kind")),
        sa.CheckConstraint(STATUSES, name=op.f("ck_plan_status")),
        sa.CheckConstraint("start_time < end_time", name=op.f("ck_plan_times")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
    )
    for column in ("customer", "lead"):
        there = sa.text(f"{column}_id IS NOT NULL")
        op.create_index(f"ix_plan_{column}", "plan", [f"{column}_id"], postgresql_where=there)
    op.create_index("ix_plan_assignee", "plan", ["assignee_id", "start_time", "id"])
    op.create_index("ix_plan_start_time", "plan", ["start_time", "id"])
    op.create_index("ix_plan_create_time", "plan", ["create_time", "id"])


def _participants() -> None:
    op.create_table(
        "plan_participant",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("response", PLAIN, nullable=False),
        sa.Column("respond_time", TIME),
        sa.Column("reminded_until", TIME, nullable=False),
        sa.Column("next_remind_time", TIME),
        sa.CheckConstraint(
            "response IN ('NEEDS_ACTION', 'ACCEPTED', 'DECLINED', 'TENTATIVE')",
            name=op.f("ck_plan_participant_response"),
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_plan_participant_plan_id_plan"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("plan_id", "user_id", name=op.f("pk_plan_participant")),
    )
    op.create_index("ix_plan_participant_user", "plan_participant", ["user_id", "plan_id"])
    due = sa.text("next_remind_time IS NOT NULL")
    op.create_index("ix_plan_participant_remind", "plan_participant", ["next_remind_time"], postgresql_where=due)


def _deviations() -> None:
    op.create_table(
        "plan_deviation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("original_start", TIME, nullable=False),
        sa.Column("start_time", TIME, nullable=False),
        sa.Column("end_time", TIME, nullable=False),
        sa.Column("status", PLAIN, nullable=False),
        sa.Column("result", PLAIN),
        sa.Column("cancel_reason", PLAIN),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint(STATUSES, name=op.f("ck_plan_deviation_status")),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.id"], name=op.f("fk_plan_deviation_plan_id_plan"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_deviation")),
        sa.UniqueConstraint("plan_id", "original_start", name=op.f("uq_plan_deviation_plan_id_original_start")),
    )


def _settings() -> None:
    op.create_table(
        "plan_rules",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("rules", postgresql.JSONB(), nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_plan_rules_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_rules")),
    )
    op.create_table(
        "calendar_settings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("own_reminders", sa.Boolean(), nullable=False),
        sa.Column("reminder_minutes", postgresql.ARRAY(sa.INTEGER()), nullable=False),
        sa.Column("feed_follow_ups", sa.Boolean(), nullable=False),
        sa.Column("feed_digest", sa.LargeBinary()),
        sa.Column("feed_create_time", TIME),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_calendar_settings")),
        sa.UniqueConstraint("feed_digest", name=op.f("uq_calendar_settings_feed_digest")),
    )
