"""Tasks: what is to be done about leads and customers, by whom, until when."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import CheckConstraint, ForeignKey, Index, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from leads.model.base import Base
from leads.model.subjects import OfAssignee, OfSubject


class TaskStatus(StrEnum):
    """How far a task has come. The names are those of `crm.leads.v1.TaskStatus`."""

    OPEN = "OPEN"
    IN_PROGRESS = "IN_PROGRESS"
    DONE = "DONE"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be done."""
        return self in (TaskStatus.DONE, TaskStatus.CANCELLED)


UNENDED = (TaskStatus.OPEN, TaskStatus.IN_PROGRESS)


class TaskPriority(StrEnum):
    """How important a task is. The names are those of `crm.leads.v1.TaskPriority`."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    URGENT = "URGENT"


def _one_of(values: type[StrEnum]) -> str:
    return ", ".join(repr(str(value)) for value in values)


class Task(OfSubject, OfAssignee, Base):
    """Something to be done. What is still to be sent or made at a time is in `remind_at`, `overdue_at` and `repeat_at`,
    which are empty once that has been done."""

    __tablename__ = "task"
    __table_args__ = (
        CheckConstraint("num_nonnulls(lead_id, customer_id) > 0", name="subject"),
        CheckConstraint(f"status IN ({_one_of(TaskStatus)})", name="status"),
        CheckConstraint(f"priority IN ({_one_of(TaskPriority)})", name="priority"),
        Index("ix_task_lead", "lead_id"),
        Index("ix_task_customer", "customer_id"),
        Index("ix_task_assignee", "assignee_id", "due_time", "id"),
        Index("ix_task_department", "assignee_department_path"),
        Index("ix_task_due_time", "due_time", "id"),
        Index("ix_task_done", "end_time", "id", postgresql_where=text("status = 'DONE'")),
        Index("ix_task_create_time", "create_time", "id"),
        Index("ix_task_update_time", "update_time", "id"),
        Index("ix_task_remind_at", "remind_at", postgresql_where=text("remind_at IS NOT NULL")),
        Index("ix_task_overdue_at", "overdue_at", postgresql_where=text("overdue_at IS NOT NULL")),
        Index("ix_task_repeat_at", "repeat_at", postgresql_where=text("repeat_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    creator: Mapped[str]
    """The resource name of the user, client or service that made it."""
    title: Mapped[str]
    description: Mapped[str | None]
    due_time: Mapped[datetime | None]
    priority: Mapped[str]
    status: Mapped[str]
    cancel_reason: Mapped[str | None]
    checklist: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """Items with `text` and `done`."""
    recurrence: Mapped[str | None]
    """See `leads.tasks.recurrence`."""
    recurrence_start: Mapped[datetime | None]
    """When the first task of the series was due."""
    required: Mapped[bool] = mapped_column(server_default=false())
    remind_minutes: Mapped[int]
    """How long before it is due the assignee is reminded; 0 for not at all."""
    stage_id: Mapped[UUID | None]
    """The stage of a playbook that it was made for."""
    template_id: Mapped[UUID | None]
    """The template that it was made by."""
    follows_owner: Mapped[bool] = mapped_column(server_default=false())
    """True if it is for whoever owns the lead."""
    ender: Mapped[str | None]
    end_time: Mapped[datetime | None]
    remind_at: Mapped[datetime | None]
    overdue_at: Mapped[datetime | None]
    repeat_at: Mapped[datetime | None]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("tasks", self.id)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be done."""
        return TaskStatus(self.status).ended

    def schedule(self, now: datetime) -> None:
        """Note what is to be sent and made at which time. What would have had to be sent before now is not."""
        due = None if self.ended else self.due_time
        early = due - timedelta(minutes=self.remind_minutes) if due is not None and self.remind_minutes else None
        self.remind_at = early if early is not None and early > now else None
        self.overdue_at = due if due is not None and due > now else None
        self.repeat_at = due if self.recurrence is not None else None


class TaskDependency(Base):
    """A task that another one waits for."""

    __tablename__ = "task_dependency"
    __table_args__ = (Index("ix_task_dependency_blocker", "blocker_id"),)

    task_id: Mapped[UUID] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), primary_key=True)
    blocker_id: Mapped[UUID] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), primary_key=True)
