"""Change tasks, give them to others, delete them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.etags import check_etag
from chassis.rules import apply, refuse

from leads.model import Task, TaskStatus
from leads.owners import find_owner
from leads.tasks.dependencies import refuse_blocked, set_dependencies
from leads.tasks.due import DueRule
from leads.tasks.facts import keep, snapshot, tell_assignee
from leads.tasks.making import due_of, require_due
from leads.tasks.queries import lock_task
from leads.tasks.rules import TASK_RULES


@dataclass(frozen=True)
class TaskPatch:
    """What an update changes: raw values by field; `due_time` and `dependencies` as they are kept."""

    values: Mapping[str, Any] = field(default_factory=dict)
    due_rule: DueRule | None = None
    dependencies: Sequence[UUID] | None = None


def update_task(session: ServiceSession, task_id: UUID, patch: TaskPatch, *, etag: str = "") -> Task:
    """Change a task. A change of nothing leaves no trace.

    Raises Conflict TASK_ENDED, TASK_BLOCKED if it begins too early, DEPENDENCY_CYCLE, and Invalid.
    """
    task = lock_task(session, task_id, "task.update")
    check_etag(etag, task.version)
    if task.ended:
        raise Conflict("TASK_ENDED", "the task has ended: reopen it first")
    before = snapshot(task)
    plain = {key: value for key, value in patch.values.items() if key != "due_time"}
    stored, faults = apply(TASK_RULES, plain)
    refuse(faults)
    if "due_time" in patch.values or patch.due_rule is not None:
        stored["due_time"] = due_of(session, patch.values.get("due_time"), patch.due_rule)
    if task.required and task.template_id is not None and stored.get("required") is False:
        lock_task(session, task_id, "task.assign")
    waits = _depend(session, task, patch.dependencies)
    if stored.get("status") == TaskStatus.IN_PROGRESS != task.status:
        refuse_blocked(session, task)
    _set(session, task, stored)
    if not keep(session, task, before, "task.update") and waits is not None:
        task.version += 1
        task.update_time = session.now
        session.flush()
    if waits is not None:
        audit.record(session, "task.depend", task.name, *waits)
    return task


def _depend(
    session: ServiceSession, task: Task, wanted: Sequence[UUID] | None
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Change what a task waits for. Returns what the audit log is told, if anything changed."""
    if wanted is None:
        return None
    before, after = set_dependencies(session, task, wanted)
    return ({"dependencies": before}, {"dependencies": after}) if before != after else None


def _set(session: ServiceSession, task: Task, stored: Mapping[str, Any]) -> None:
    timing = {key: stored[key] for key in ("due_time", "recurrence", "remind_minutes") if key in stored}
    moved = any(getattr(task, key) != value for key, value in timing.items())
    for column, value in stored.items():
        setattr(task, column, value)
    require_due(task)
    if moved:
        # A series that is changed begins anew with this task.
        task.recurrence_start = task.due_time if task.recurrence is not None else None
        task.schedule(session.now)


def assign_task(session: ServiceSession, task_id: UUID, assignee_id: UUID, *, etag: str = "") -> Task:
    """Give a task to somebody, who is told. It follows the lead's owner no more. Raises what `find_owner` does."""
    # The assignee is locked before the task, as in a department move, so that the two never wait for each other.
    assignee = find_owner(session, assignee_id, field="assignee")
    task = lock_task(session, task_id, "task.assign")
    check_etag(etag, task.version)
    if task.ended:
        raise Conflict("TASK_ENDED", "the task has ended: reopen it first")
    before = snapshot(task)
    task.follows_owner = task.follows_owner and task.assignee_id == assignee.id
    task.assignee_id, task.assignee_department_path = assignee.id, assignee.department_path
    if keep(session, task, before, "task.assign"):
        tell_assignee(session, task)
    return task


def delete_task(session: ServiceSession, task_id: UUID, *, etag: str = "") -> None:
    """Delete a task, which ends its recurrence. The audit log keeps what it held.

    One that a playbook requires is deleted by who may give it to others.
    """
    task = lock_task(session, task_id, "task.delete")
    check_etag(etag, task.version)
    if task.required and task.template_id is not None:
        lock_task(session, task_id, "task.assign")
    audit.record(session, "task.delete", task.name, snapshot(task), None)
    session.delete(task)
    session.flush()
