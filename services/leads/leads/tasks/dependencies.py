"""Which tasks wait for which: never in a circle."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from chassis import locks
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.names import make_name
from sqlalchemy import delete, insert, select

from leads import subjects
from leads.model import UNENDED, Task, TaskDependency
from leads.tasks.queries import no_task

MOST = 20


def set_dependencies(session: ServiceSession, task: Task, blockers: Sequence[UUID]) -> tuple[list[str], list[str]]:
    """Let a task wait for just these. Returns the names of those before and those now.

    Raises Invalid TOO_MANY, NotFound for a task that the caller cannot see, Conflict DEPENDENCY_CYCLE.
    """
    wanted = set(blockers)
    if len(wanted) > MOST:
        raise Invalid("TOO_MANY", f"a task waits for at most {MOST} others", field="dependencies", maximum=MOST)
    before = set(session.scalars(select(TaskDependency.blocker_id).where(TaskDependency.task_id == task.id)))
    if added := wanted - before:
        _require_visible(session, added)
        # One at a time: of two changes that close a circle together, neither would see the other.
        locks.hold(session, "task dependencies")
        _refuse_cycle(session, task.id, added)
        session.execute(insert(TaskDependency), [{"task_id": task.id, "blocker_id": key} for key in sorted(added)])
    if gone := before - wanted:
        theirs = TaskDependency.blocker_id.in_(gone)
        session.execute(delete(TaskDependency).where(TaskDependency.task_id == task.id, theirs))
    return _names(before), _names(wanted)


def blockers(session: ServiceSession, task_id: UUID) -> list[str]:
    """The names of the tasks that must end before this one begins."""
    statement = (
        select(Task.id)
        .join(TaskDependency, TaskDependency.blocker_id == Task.id)
        .where(TaskDependency.task_id == task_id, Task.status.in_([status.value for status in UNENDED]))
    )
    return _names(session.scalars(statement))


def refuse_blocked(session: ServiceSession, task: Task) -> None:
    """Raise Conflict TASK_BLOCKED if a task still waits for others."""
    if waits_for := blockers(session, task.id):
        message = f"{len(waits_for)} tasks must end before: {', '.join(waits_for)}"
        raise Conflict("TASK_BLOCKED", message, tasks=",".join(waits_for), count=len(waits_for))


def _require_visible(session: ServiceSession, ids: Collection[UUID]) -> None:
    visible = select(Task.id).where(Task.id.in_(ids), subjects.reach(session, Task, "task.read"))
    if set(ids) - set(session.scalars(visible)):
        raise no_task()


def _refuse_cycle(session: ServiceSession, task_id: UUID, added: Collection[UUID]) -> None:
    reached = select(Task.id.label("id")).where(Task.id.in_(added)).cte("reached", recursive=True)
    further = select(TaskDependency.blocker_id).join(reached, TaskDependency.task_id == reached.c.id)
    every = reached.union(further)
    if session.scalar(select(every.c.id).where(every.c.id == task_id)) is not None:
        message = "these tasks wait for this one already: no task can wait for itself"
        raise Conflict("DEPENDENCY_CYCLE", message, field="dependencies")


def _names(ids: Iterable[UUID]) -> list[str]:
    return [make_name("tasks", key) for key in sorted(ids)]
