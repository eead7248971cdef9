"""What every change of a plan has in common: its version, the audit log, its reminders, and whom it is told."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from chassis import audit, notifications
from chassis.db import ServiceSession
from chassis.names import make_name
from chassis.snapshots import difference, filled

from leads.model import Plan, PlanDeviation, PlanResponse
from leads.plans.occurrences import deviations_of
from leads.plans.queries import participants_of
from leads.plans.reminding import schedule


def snapshot(session: ServiceSession, plan: Plan) -> dict[str, Any]:
    """All that a plan holds, for the audit log. What is empty is left out."""
    values = {key: getattr(plan, key) for key in _COPIED}
    values |= {
        "subject": plan.subject,
        "assignee": make_name("users", plan.assignee_id),
        "participants": [
            f"{make_name('users', row.user_id)} {row.response}" for row in participants_of(session, [plan.id])[plan.id]
        ],
        "contacts": [make_name("contacts", key) for key in plan.contact_ids],
        "start_time": plan.start_time.isoformat(),
        "end_time": plan.end_time.isoformat(),
        "deviations": [_told(row) for row in deviations_of(session, [plan.id]).get(plan.id, ())],
    }
    return filled(values)


_COPIED = (
    "kind", "title", "place", "organiser", "guests", "time_zone", "all_day", "recurrence", "reminder_minutes",
    "private", "status", "result", "cancel_reason", "sequence", "version",
)  # fmt: skip


def _told(row: PlanDeviation) -> dict[str, Any]:
    values = {
        "original_start": row.original_start.isoformat(),
        "start_time": row.start_time.isoformat(),
        "end_time": row.end_time.isoformat(),
        "status": row.status,
        "result": row.result,
        "cancel_reason": row.cancel_reason,
    }
    return filled(values)


def keep(session: ServiceSession, plan: Plan, before: Mapping[str, Any], action: str, *, anew: bool = False) -> bool:
    """Store what changed of a plan since a snapshot, if anything did. Says whether it did. `anew`: its times
    changed, and what was reminded of before is no longer what it was."""
    session.flush()
    if snapshot(session, plan) == before:
        return False
    plan.version += 1
    plan.update_time = session.now
    schedule(session, [plan], anew=anew)
    session.flush()
    old, new = difference(before, snapshot(session, plan))
    audit.record(session, action, plan.name, old, new)
    return True


def tell(session: ServiceSession, plan: Plan, kind: str, user_ids: Collection[UUID], **more: str) -> None:
    """Tell people of a plan, but not the caller."""
    params = {
        "title": plan.title,
        "kind": plan.kind,
        "start_time": plan.start_time.isoformat(),
        "end_time": plan.end_time.isoformat(),
        "time_zone": plan.time_zone,
        "actor": session.caller.subject,
        **more,
    }
    for user_id in sorted(set(user_ids) - {session.caller.user_id}):
        notifications.notify(session, user_id, kind, plan.name, params)


def tell_all(session: ServiceSession, plan: Plan, kind: str, **more: str) -> None:
    """Tell all who take part in a plan, but not the caller, nor those who declined."""
    rows = participants_of(session, [plan.id])[plan.id]
    tell(session, plan, kind, [row.user_id for row in rows if row.response != PlanResponse.DECLINED], **more)
