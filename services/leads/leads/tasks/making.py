"""Make tasks: by hand, by rule, and again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import new_id
from chassis.organisation import organisation
from chassis.rules import apply, refuse

from leads.model import Task, TaskPriority, TaskStatus
from leads.owners import Owner, find_owner
from leads.plans.recurrence import EARLIEST, LATEST
from leads.reachable import Customers
from leads.subjects import Subject, require
from leads.tasks.dependencies import set_dependencies
from leads.tasks.due import DueRule
from leads.tasks.facts import snapshot, tell_assignee
from leads.tasks.rules import REMIND_MINUTES, TASK_RULES


@dataclass(frozen=True)
class TaskDraft:
    """A task as whoever makes it states it: raw values by field, see `rules.TASK_RULES`."""

    subject: Subject
    values: Mapping[str, Any]
    assignee_id: UUID | None = None
    due_time: datetime | None = None
    due_rule: DueRule | None = None
    dependencies: Sequence[UUID] = field(default_factory=tuple)


def create_task(session: ServiceSession, draft: TaskDraft, customers: Customers) -> Task:
    """Make a task and tell its assignee, who is the caller unless the draft names somebody else.

    Raises what `subjects.require` does, and Invalid, naming every field at fault.
    """
    require(session, draft.subject, "task.create", customers)
    assignee_id = draft.assignee_id or session.caller.user_id
    if assignee_id is not None and assignee_id != session.caller.user_id:
        session.caller.scope("task.assign")
    stored, faults = apply(TASK_RULES, {"title": ""} | dict(draft.values))
    refuse(faults)
    due_time = due_of(session, draft.due_time, draft.due_rule)
    task = new_task(
        session,
        draft.subject,
        find_owner(session, assignee_id, field="assignee") if assignee_id is not None else None,
        stored | {"due_time": due_time},
    )
    keep_new(session, [task])
    if draft.dependencies:
        set_dependencies(session, task, draft.dependencies)
    return task


def due_of(session: ServiceSession, due_time: datetime | None, rule: DueRule | None) -> datetime | None:
    """Until when, stated or by rule from now. Raises Invalid if both are given, or a time before that of any plan."""
    if due_time is not None and due_time < EARLIEST:
        raise Invalid("OUT_OF_RANGE", f"a task is due in {EARLIEST.year} or later", field="due_time")
    if rule is None:
        return due_time
    if due_time is not None:
        raise Invalid("INVALID_VALUE", "give either the due time or a rule for it", field="due_rule")
    return rule.after(session.now, organisation(session).calendar)


def new_task(session: ServiceSession, subject: Subject, assignee: Owner | None, values: Mapping[str, Any]) -> Task:
    """A task, not stored yet, of values in their stored form. Raises Invalid if it repeats without a due time."""
    usual: dict[str, Any] = {
        "priority": TaskPriority.NORMAL.value,
        "status": TaskStatus.OPEN.value,
        "checklist": [],
        "required": False,
        "remind_minutes": REMIND_MINUTES,
        "follows_owner": False,
        "recurrence": None,
        "due_time": None,
    }
    task = Task(
        id=new_id(),
        **subject.columns,
        assignee_id=assignee.id if assignee else None,
        assignee_department_path=assignee.department_path if assignee else None,
        creator=session.caller.subject,
        **(usual | dict(values)),
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    require_due(task)
    if task.recurrence is not None and task.recurrence_start is None:
        task.recurrence_start = task.due_time
    task.schedule(session.now)
    return task


def require_due(task: Task) -> None:
    """Raise Invalid DUE_TIME_REQUIRED if a task repeats that is due at no time, OUT_OF_RANGE if it is due too early or
    too late."""
    if task.recurrence is None:
        return
    if task.due_time is None:
        raise Invalid("DUE_TIME_REQUIRED", "say when a task that repeats is due first", field="due_time")
    if not EARLIEST <= task.due_time < LATEST:
        message = f"what repeats is due in {EARLIEST.year} or later, before {LATEST.year}"
        raise Invalid("OUT_OF_RANGE", message, field="due_time")


def keep_new(session: ServiceSession, tasks: Sequence[Task]) -> None:
    """Store new tasks, audit them and tell their assignees."""
    session.add_all(tasks)
    session.flush()
    audit.record_all(session, [audit.Change("task.create", task.name, None, snapshot(task)) for task in tasks])
    for task in tasks:
        tell_assignee(session, task)
