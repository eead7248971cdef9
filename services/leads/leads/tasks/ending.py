"""Complete and cancel tasks, open them again, and make those that repeat anew."""

from collections.abc import Sequence
from uuid import UUID

from chassis import outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, DomainError, Invalid
from chassis.etags import check_etag
from chassis.names import make_name
from chassis.organisation import organisation
from chassis.rules import apply, refuse

from leads.events import TaskEnded
from leads.model import Task, TaskStatus
from leads.owners import Owner
from leads.subjects import of
from leads.tasks import recurrence
from leads.tasks.dependencies import refuse_blocked
from leads.tasks.facts import keep, snapshot
from leads.tasks.making import keep_new, new_task
from leads.tasks.queries import lock_task
from leads.tasks.rules import REASON_RULES

MOST = 200
_REPEATED = (
    "title", "description", "priority", "recurrence", "recurrence_start", "required", "remind_minutes", "stage_id",
    "template_id", "follows_owner",
)  # fmt: skip


def complete_task(session: ServiceSession, task_id: UUID, *, etag: str = "") -> Task:
    """Say that a task has been done. One that was done already stays as it is.

    Raises Conflict TASK_BLOCKED while others must end before, TASK_ENDED if it was cancelled.
    """
    task = lock_task(session, task_id, "task.update")
    check_etag(etag, task.version)
    if task.status == TaskStatus.DONE:
        return task
    if task.ended:
        raise Conflict("TASK_ENDED", "the task was cancelled: reopen it first")
    refuse_blocked(session, task)
    return _end(session, task, TaskStatus.DONE, "task.complete")


def complete_tasks(session: ServiceSession, ids: Sequence[UUID]) -> list[Task | DomainError]:
    """Complete several tasks, each judged by itself after those before it. Raises Invalid TOO_MANY_NAMES."""
    if not 1 <= len(ids) <= MOST:
        raise Invalid("TOO_MANY_NAMES", f"complete from 1 to {MOST} tasks at once", field="names")
    # In one order, so that no two batches wait for each other.
    locked = {task_id: _lock(session, task_id) for task_id in sorted(set(ids))}
    return [found if isinstance(found := locked[task_id], DomainError) else _try(session, task_id) for task_id in ids]


def _lock(session: ServiceSession, task_id: UUID) -> Task | DomainError:
    try:
        return lock_task(session, task_id, "task.update")
    except DomainError as error:
        return error


def _try(session: ServiceSession, task_id: UUID) -> Task | DomainError:
    try:
        return complete_task(session, task_id)
    except DomainError as error:
        return error


def cancel_task(session: ServiceSession, task_id: UUID, reason: str, *, etag: str = "") -> Task:
    """Say that a task will not be done, and why. One that a playbook requires is cancelled by who may give it to
    others: it keeps the lead in its stage no more. Raises Conflict TASK_ENDED."""
    stored, faults = apply(REASON_RULES, {"reason": reason})
    refuse(faults)
    task = lock_task(session, task_id, "task.update")
    check_etag(etag, task.version)
    if task.ended:
        raise Conflict("TASK_ENDED", "the task has ended already")
    if task.required and task.template_id is not None:
        lock_task(session, task_id, "task.assign")
    task.cancel_reason = stored["reason"]
    return _end(session, task, TaskStatus.CANCELLED, "task.cancel")


def reopen_task(session: ServiceSession, task_id: UUID, *, etag: str = "") -> Task:
    """Open a task that has ended. It repeats no more: the next one has been made. Raises Conflict TASK_NOT_ENDED."""
    task = lock_task(session, task_id, "task.update")
    check_etag(etag, task.version)
    if not task.ended:
        raise Conflict("TASK_NOT_ENDED", "the task has not ended")
    before = snapshot(task)
    task.status, task.cancel_reason, task.ender, task.end_time = TaskStatus.OPEN.value, None, None, None
    task.schedule(session.now)
    keep(session, task, before, "task.reopen")
    return task


def _end(session: ServiceSession, task: Task, status: TaskStatus, action: str) -> Task:
    before = snapshot(task) if status is TaskStatus.DONE else snapshot(task) | {"cancel_reason": None}
    if task.repeat_at is not None:
        repeat(session, [task])
    task.status, task.ender, task.end_time = status.value, session.caller.subject, session.now
    task.schedule(session.now)
    task.repeat_at = None
    keep(session, task, before, action)
    outbox.emit(
        session,
        TaskEnded(
            task=task.name,
            version=task.version,
            subject=task.subject,
            status=task.status,
            assignee=make_name("users", task.assignee_id),
            required=task.required,
            end_time=session.now,
        ),
    )
    return task


def repeat(session: ServiceSession, tasks: Sequence[Task]) -> None:
    """Make the next task of each series, due at its first time from now on, which carries the series on."""
    zone = organisation(session).zone
    made = []
    for task in tasks:
        rule, start, due = task.recurrence, task.recurrence_start, task.due_time
        task.repeat_at = task.recurrence = task.recurrence_start = None
        if rule is None or start is None or due is None:
            continue
        following = recurrence.next_time(rule, start, max(due, session.now), zone)
        if following is None:
            continue
        assignee = Owner(task.assignee_id, task.assignee_department_path) if task.assignee_id else None
        values = {key: getattr(task, key) for key in _REPEATED} | {"recurrence": rule, "recurrence_start": start}
        values["checklist"] = [{"text": item["text"], "done": False} for item in task.checklist]
        made.append(new_task(session, of(task), assignee, values | {"due_time": following}))
    session.flush()
    if made:
        keep_new(session, made)
