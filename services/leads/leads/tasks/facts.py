"""What is said about a task to others: to the audit log and to whoever listens."""

from typing import Any

from chassis import audit, notifications
from chassis.db import ServiceSession
from chassis.names import make_name
from chassis.snapshots import difference, filled

from leads.model import Task

_PLAIN = (
    "title", "description", "priority", "status", "cancel_reason", "checklist", "recurrence", "required",
    "remind_minutes", "follows_owner", "ender", "version",
)  # fmt: skip


def snapshot(task: Task) -> dict[str, Any]:
    """All that a task holds, for the audit log. What is empty is left out."""
    values = {key: getattr(task, key) for key in _PLAIN}
    return filled(
        values
        | {
            "subject": task.subject,
            "assignee": make_name("users", task.assignee_id),
            "due_time": task.due_time.isoformat() if task.due_time else None,
            "stage": str(task.stage_id or ""),
            "template": str(task.template_id or ""),
        }
    )


def keep(session: ServiceSession, task: Task, before: dict[str, Any], action: str) -> bool:
    """Store what changed of a task since a snapshot, and audit it. Says whether anything did."""
    if snapshot(task) == before:
        return False
    task.version += 1
    task.update_time = session.now
    session.flush()
    audit.record(session, action, task.name, *difference(before, snapshot(task)))
    return True


def tell_assignee(session: ServiceSession, task: Task) -> None:
    """Tell whoever got a task, unless they gave it to themselves."""
    if task.assignee_id is not None and task.assignee_id != session.caller.user_id:
        params = {"title": task.title, "subject": task.subject, "actor": session.caller.subject}
        params["due_time"] = task.due_time.isoformat() if task.due_time else ""
        notifications.notify(session, task.assignee_id, "TASK_ASSIGNED", task.name, params)
