"""Tell people of tasks that are nearly due and overdue, each once, and make those anew that repeat."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chassis import outbox
from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.notifications import NotificationRaised, notify
from chassis.timers import has_rows
from sqlalchemy import func, select, update

from leads.model import KnownUser, Task
from leads.subjects import Subject, of
from leads.tasks.ending import repeat
from leads.tasks.facts import keep, snapshot
from leads.told import titles_for

MANY = 20
"""Who has more tasks that fall due at once is told how many they are, by one notification."""
BATCH = 5_000
REPEATED = 500


def remind_of_tasks(session: ServiceSession, due: datetime) -> bool:
    """Send the reminders that are due, and make the tasks that follow those that fell due.

    A task that is overdue by then is told of as overdue alone. Returns whether some are left, as others hold them.
    """
    for column, kind in ((Task.overdue_at, "OVERDUE"), (Task.remind_at, "DUE")):
        _tell_of_many(session, due, column, f"TASKS_{kind}")
        while _tell(session, due, column, f"TASK_{kind}"):
            pass
    while _repeat(session, due):
        pass
    columns = (Task.overdue_at, Task.remind_at, Task.repeat_at)
    return any(has_rows(session, select(Task.id).where(column <= due)) for column in columns)


def _tell_of_many(session: ServiceSession, due: datetime, column: Any, kind: str) -> None:
    """Tell those of their tasks who have many of them, in one statement."""
    of_many = select(Task.assignee_id).where(column <= due).group_by(Task.assignee_id).having(func.count() > MANY)
    theirs = update(Task).where(column <= due, Task.assignee_id.in_(of_many)).values(_told(column))
    changed = theirs.returning(Task.assignee_id).cte("changed")
    counted = (
        select(changed.c.assignee_id, func.count()).group_by(changed.c.assignee_id).order_by(changed.c.assignee_id)
    )
    counts: dict[Any, int] = {row[0]: row[1] for row in session.execute(counted)}
    gone = _gone(session, set(counts))
    for assignee_id, count in counts.items():
        if assignee_id not in gone:
            notify(session, assignee_id, kind, "", {"count": str(count)})


def _told(column: Any) -> dict[str, Any]:
    """What a task holds once it was told of. One that is overdue reminds of nothing any more."""
    return {"overdue_at": None, "remind_at": None} if column.key == "overdue_at" else {"remind_at": None}


def _tell(session: ServiceSession, due: datetime, column: Any, kind: str) -> bool:
    """Deal with the next batch. Says whether there was any."""
    wanted = select(Task.id).where(column <= due).order_by(column).limit(BATCH).with_for_update(skip_locked=True)
    picked = wanted.subquery("picked")
    columns = (Task.id, Task.lead_id, Task.customer_id, Task.assignee_id, Task.title, Task.due_time)
    changed = update(Task).where(Task.id == picked.c.id).values(_told(column)).returning(*columns)
    rows: list[Any] = [*session.execute(changed.execution_options(synchronize_session=False))]
    _notify(session, [row for row in rows if row.assignee_id is not None], kind)
    return bool(rows)


def _notify(session: ServiceSession, rows: Sequence[Any], kind: str) -> None:
    gone = _gone(session, {row.assignee_id for row in rows})
    kept = [(row, of(row)) for row in rows if row.assignee_id not in gone]
    known = titles_for(session, [(row.assignee_id, subject) for row, subject in kept])
    outbox.emit_all(
        session,
        [_notification(session, kind, row, subject, known[row.assignee_id, subject]) for row, subject in kept],
    )


def _notification(
    session: ServiceSession, kind: str, row: Any, subject: Subject, subject_title: str
) -> NotificationRaised:
    params = {
        "title": row.title,
        "subject": subject.name,
        "subject_title": subject_title,
        "due_time": row.due_time.isoformat(),
    }
    recipient = make_name("users", row.assignee_id)
    return NotificationRaised(str(new_id()), recipient, kind, make_name("tasks", row.id), params, session.now)


def _gone(session: ServiceSession, ids: set[Any]) -> set[Any]:
    """Those of the users who may not sign in any more."""
    inactive = select(KnownUser.id).where(KnownUser.active.is_(False), KnownUser.id == func.any(sorted(ids)))
    return set(session.scalars(inactive))


def _repeat(session: ServiceSession, due: datetime) -> bool:
    wanted = select(Task).where(Task.repeat_at <= due).order_by(Task.repeat_at).limit(REPEATED)
    tasks = session.scalars(wanted.with_for_update(skip_locked=True)).all()
    before = {task.id: snapshot(task) for task in tasks}
    repeat(session, tasks)
    for task in tasks:
        keep(session, task, before[task.id], "task.repeat")
    return bool(tasks)
