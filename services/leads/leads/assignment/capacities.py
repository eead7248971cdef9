"""Change how many leads people can be given, and note when they are given none."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from chassis import audit, locks
from chassis.callers import Scope
from chassis.db import ServiceSession
from chassis.errors import Denied, Exhausted, Invalid, NotFound
from chassis.etags import check_etag
from chassis.names import make_name, new_id
from chassis.rules import Rule, apply, refuse
from chassis.snapshots import difference, filled
from sqlalchemy import func, select

from leads.assignment.deciding import wake
from leads.assignment.hours import windows
from leads.assignment.people import default_capacity
from leads.assignment.rules import MOST_WORDS, number, words
from leads.model import KnownUser, LeadAbsence, LeadCapacity

UPDATE, ABSENCE, READ = "lead_capacity.update", "lead_absence.update", "lead_capacity.read"
LONGEST_ABSENCE = timedelta(days=400)
MOST_ABSENCES = 200


def _hours(values: list[str]) -> list[str]:
    return ["-".join(window.texts) for window in windows(values)]


_RULES: Mapping[str, Rule] = {
    "daily_capacity": partial(number, least=0, most=10_000),
    "monthly_capacity": partial(number, least=0, most=10_000),
    "weight": partial(number, least=1, most=1_000),
    "regions": partial(words, most=MOST_WORDS),
    "skills": partial(words, most=MOST_WORDS),
    "hours": _hours,
    "declines_leads": bool,
}
CAPACITY_FIELDS = frozenset(_RULES)
"""What is stated of a capacity."""


def require_user(session: ServiceSession, user_id: UUID, permission: str) -> KnownUser:
    """An employee whom the caller reaches with a permission. Raises NotFound."""
    user = session.get(KnownUser, user_id)
    if user is None or user.partner_id is not None or not _reaches(session.caller.scope(permission), user):
        raise NotFound("USER_NOT_FOUND", "there is no such user, or you may not see them", field="user")
    return user


def _reaches(scope: Scope, user: KnownUser) -> bool:
    return scope.reaches(user.id, user.department_path)


def update_capacity(
    session: ServiceSession, user_id: UUID, values: Mapping[str, Any], *, etag: str = ""
) -> LeadCapacity:
    """Change how many leads somebody can be given, and which. Raises NotFound, Invalid or Stale."""
    require_user(session, user_id, UPDATE)
    locks.hold(session, f"lead capacity {user_id}")
    capacity = session.get(LeadCapacity, user_id) or default_capacity(user_id)
    check_etag(etag, capacity.version)
    before = _snapshot(capacity)
    stored, faults = apply(_RULES, values)
    refuse(faults)
    for column, value in stored.items():
        setattr(capacity, column, value)
    if _snapshot(capacity) == before:
        return capacity
    capacity.version += 1
    session.add(capacity)
    session.flush()
    wake(session)
    old, new = difference(before, _snapshot(capacity))
    audit.record(session, UPDATE, make_name("leadCapacities", user_id), old, new)
    return capacity


def _snapshot(capacity: LeadCapacity) -> dict[str, Any]:
    return {column: getattr(capacity, column) for column in (*sorted(CAPACITY_FIELDS), "version")}


def create_absence(
    session: ServiceSession, user_id: UUID | None, start: datetime | None, end: datetime | None
) -> LeadAbsence:
    """Note that somebody, the caller unless another is named, is given no leads for a time.

    Raises NotFound, Invalid REQUIRED or INVALID_VALUE, Exhausted TOO_MANY_ABSENCES, Denied USERS_ONLY.
    """
    user_id = user_id or session.caller.user_id
    if user_id is None:
        raise Denied("USERS_ONLY", "only people are absent; name somebody")
    require_user(session, user_id, ABSENCE)
    if start is None or end is None:
        raise Invalid("REQUIRED", "say from when until when", field="start_time" if start is None else "end_time")
    if not timedelta() < end - start <= LONGEST_ABSENCE:
        message = f"an absence ends after it begins, at most {LONGEST_ABSENCE.days} days later"
        raise Invalid("INVALID_VALUE", message, field="end_time")
    locks.hold(session, f"lead capacity {user_id}")
    still = select(func.count()).where(LeadAbsence.user_id == user_id, LeadAbsence.end_time > session.now)
    if (session.scalar(still) or 0) >= MOST_ABSENCES:
        raise Exhausted("TOO_MANY_ABSENCES", f"at most {MOST_ABSENCES} absences fit; remove one first")
    absence = LeadAbsence(
        id=new_id(),
        user_id=user_id,
        start_time=start,
        end_time=end,
        creator=session.caller.subject,
        create_time=session.now,
    )
    session.add(absence)
    session.flush()
    audit.record(session, "lead_absence.create", absence.name, None, _absence_snapshot(absence))
    return absence


def delete_absence(session: ServiceSession, absence_id: UUID) -> None:
    """Remove an absence. Raises NotFound."""
    absence = session.get(LeadAbsence, absence_id, with_for_update=True)
    missing = NotFound("ABSENCE_NOT_FOUND", "there is no such absence, or you may not see it", field="name")
    if absence is None:
        raise missing
    user = session.get(KnownUser, absence.user_id)
    if user is None or not _reaches(session.caller.scope(ABSENCE), user):
        raise missing
    session.delete(absence)
    session.flush()
    wake(session)
    audit.record(session, "lead_absence.delete", absence.name, _absence_snapshot(absence), None)


def _absence_snapshot(absence: LeadAbsence) -> dict[str, Any]:
    return filled(
        {
            "user": make_name("users", absence.user_id),
            "start_time": absence.start_time.isoformat(),
            "end_time": absence.end_time.isoformat(),
        }
    )
