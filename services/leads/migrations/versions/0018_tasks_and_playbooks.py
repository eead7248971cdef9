"""Tasks, playbooks, and what happens when nobody follows up."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

PLAIN = sa.Text(collation="C")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    for table in ("lead", "known_customer"):
        op.add_column(table, sa.Column("owner_since", TIME))
        # When they got it was not kept: the days count from here on.
        op.execute(f"UPDATE {table} SET owner_since = now() WHERE owner_id IS NOT NULL")  # noqa: S608 - a constant
    _create_tasks()
    _create_playbooks()
    _create_escalation()


def _create_tasks() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("title", PLAIN, nullable=False),
        sa.Column("description", PLAIN),
        sa.Column("due_time", TIME),
        sa.Column("priority", PLAIN, nullable=False),
        sa.Column("status", PLAIN, nullable=False),
        sa.Column("cancel_reason", PLAIN),
        sa.Column("checklist", postgresql.JSONB(), nullable=False),
        sa.Column("recurrence", PLAIN),
        sa.Column("recurrence_start", TIME),
        sa.Column("required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("remind_minutes", sa.BigInteger(), nullable=False),
        sa.Column("stage_id", sa.Uuid()),
        sa.Column("template_id", sa.Uuid()),
        sa.Column("follows_owner", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("ender", PLAIN),
        sa.Column("end_time", TIME),
        sa.Column("remind_at", TIME),
        sa.Column("overdue_at", TIME),
        sa.Column("repeat_at", TIME),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("lead_id", sa.Uuid()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("assignee_id", sa.Uuid()),
        sa.Column("assignee_department_path", PLAIN),
        sa.CheckConstraint("priority IN ('LOW', 'NORMAL', 'HIGH', 'URGENT')", name=op.f("ck_task_priority")),
        sa.CheckConstraint("status IN ('OPEN', 'IN_PROGRESS', 'DONE', 'CANCELLED')", name=op.f("ck_task_status")),
        sa.CheckConstraint("num_nonnulls(lead_id, customer_id) > 0", name=op.f("ck_task_subject")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index("ix_task_assignee", "task", ["assignee_id", "due_time", "id"])
    op.create_index("ix_task_create_time", "task", ["create_time", "id"])
    op.create_index("ix_task_customer", "task", ["customer_id"])
    op.create_index("ix_task_department", "task", ["assignee_department_path"])
    op.create_index("ix_task_due_time", "task", ["due_time", "id"])
    op.create_index("ix_task_lead", "task", ["lead_id"])
    op.create_index("ix_task_overdue_at", "task", ["overdue_at"], postgresql_where=sa.text("overdue_at IS NOT NULL"))
    op.create_index("ix_task_remind_at", "task", ["remind_at"], postgresql_where=sa.text("remind_at IS NOT NULL"))
    op.create_index("ix_task_repeat_at", "task", ["repeat_at"], postgresql_where=sa.text("repeat_at IS NOT NULL"))
    op.create_index("ix_task_update_time", "task", ["update_time", "id"])
    op.create_table(
        "task_dependency",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("blocker_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blocker_id"], ["task.id"], name=op.f("fk_task_dependency_blocker_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_task_dependency_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "blocker_id", name=op.f("pk_task_dependency")),
    )
    op.create_index("ix_task_dependency_blocker", "task_dependency", ["blocker_id"])


def _create_playbooks() -> None:
    op.create_table(
        "playbook",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("description", PLAIN, nullable=False),
        sa.Column("filter", postgresql.JSONB(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("content_version", sa.BigInteger(), nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook")),
    )
    op.create_index("ix_playbook_position", "playbook", ["position", "id"])
    op.create_table(
        "playbook_version",
        sa.Column("playbook_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("creator", PLAIN, nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["playbook_id"], ["playbook.id"], name=op.f("fk_playbook_version_playbook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("playbook_id", "number", name=op.f("pk_playbook_version")),
    )
    op.create_table(
        "lead_playbook",
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("playbook_id", sa.Uuid(), nullable=False),
        sa.Column("playbook_version", sa.BigInteger(), nullable=False),
        sa.Column("stage_id", sa.Uuid()),
        sa.Column("enter_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_lead_playbook_lead_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["playbook_id"], ["playbook.id"], name=op.f("fk_lead_playbook_playbook_id")),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_lead_playbook")),
    )
    op.create_index("ix_lead_playbook_playbook", "lead_playbook", ["playbook_id", "playbook_version"])
    op.create_table(
        "stage_stay",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("playbook_id", sa.Uuid(), nullable=False),
        sa.Column("playbook_version", sa.BigInteger(), nullable=False),
        sa.Column("stage_id", sa.Uuid(), nullable=False),
        sa.Column("stage_title", PLAIN, nullable=False),
        sa.Column("actor", PLAIN, nullable=False),
        sa.Column("enter_time", TIME, nullable=False),
        sa.Column("leave_time", TIME),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_stage_stay_lead_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_stay")),
    )
    op.create_index("ix_stage_stay_lead", "stage_stay", ["lead_id", "enter_time", "id"])
    op.create_index(
        "uq_stage_stay_open", "stage_stay", ["lead_id"], unique=True, postgresql_where=sa.text("leave_time IS NULL")
    )
    op.create_table(
        "template_use",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("occasion", PLAIN, nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.ForeignKeyConstraint(["lead_id"], ["lead.id"], name=op.f("fk_template_use_lead_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_use")),
        sa.UniqueConstraint(
            "lead_id", "template_id", "occasion", name=op.f("uq_template_use_lead_id_template_id_occasion")
        ),
    )


def _create_escalation() -> None:
    op.create_table(
        "escalation_policy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", PLAIN, nullable=False),
        sa.Column("department_id", sa.Uuid()),
        sa.Column("subject", PLAIN, nullable=False),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.CheckConstraint("subject IN ('LEADS', 'CUSTOMERS')", name=op.f("ck_escalation_policy_subject")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalation_policy")),
    )
    op.create_index(
        "uq_escalation_policy_department",
        "escalation_policy",
        ["subject", sa.literal_column("coalesce(department_id, '00000000-0000-0000-0000-000000000000')")],
        unique=True,
    )
    op.create_table(
        "escalation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("manager_id", sa.Uuid()),
        sa.Column("days", sa.BigInteger(), nullable=False),
        sa.Column("action", PLAIN, nullable=False),
        sa.Column("quiet_since", TIME, nullable=False),
        sa.Column("time", TIME, nullable=False),
        sa.Column("lead_id", sa.Uuid()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("assignee_id", sa.Uuid()),
        sa.Column("assignee_department_path", PLAIN),
        sa.CheckConstraint("num_nonnulls(lead_id, customer_id) > 0", name=op.f("ck_escalation_subject")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalation")),
    )
    op.create_index("ix_escalation_assignee", "escalation", ["assignee_id"])
    op.create_index("ix_escalation_customer", "escalation", ["customer_id", "days", "quiet_since"])
    op.create_index("ix_escalation_lead", "escalation", ["lead_id", "days", "quiet_since"])
    op.create_index("ix_escalation_time", "escalation", ["time", "id"])
