"""The plans of people as a calendar: what they have planned, when they are busy, and when they are all free."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.organisation import organisation
from chassis.paging import Page
from sqlalchemy import select

from leads.model import KnownDepartment, KnownUser, PlanStatus
from leads.plans.occurrences import Occurrence, Taken, taken
from leads.plans.queries import READ, visible_among
from leads.plans.recurrence import EARLIEST, LATEST, Slot

LONGEST_RANGE = timedelta(days=62)
MOST_USERS = 200
MOST_AT_ONCE = 50
MOST_SLOTS = 100
SHORTEST, LONGEST = 5, 24 * 60


@dataclass(frozen=True)
class Entry:
    """An occurrence in somebody's calendar."""

    occurrence: Occurrence
    users: Sequence[UUID]
    """Who takes part of those whose calendars were asked for."""
    visible: bool
    """False if the caller may know no more than that they are busy."""


@dataclass(frozen=True)
class Range:
    """A stretch of time to look at."""

    start: datetime | None
    end: datetime | None

    def checked(self) -> Slot:
        """The stretch. Raises Invalid REQUIRED, OUT_OF_RANGE or RANGE_TOO_LONG."""
        if self.start is None or self.end is None:
            field = "start_time" if self.start is None else "end_time"
            raise Invalid("REQUIRED", "say from when on and until when", field=field)
        if not EARLIEST - LONGEST_RANGE <= self.start < LATEST:
            message = f"nothing is planned before {EARLIEST.year} or from {LATEST.year} on"
            raise Invalid("OUT_OF_RANGE", message, field="start_time")
        if not self.start < self.end <= self.start + LONGEST_RANGE:
            message = f"the range goes forward, over at most {LONGEST_RANGE.days} days"
            raise Invalid("RANGE_TOO_LONG", message, field="end_time")
        return Slot(self.start, self.end)


def list_entries(
    session: ServiceSession,
    wanted: Range,
    *,
    user_ids: Collection[UUID] = (),
    department_id: UUID | None = None,
    cancelled: bool = False,
    page_size: int,
    page_token: str,
) -> Page[Entry]:
    """A page of what some people, or those of a department, have planned, the earliest first.

    What the caller may not see is listed as time at which they are busy. Raises Invalid.
    """
    session.caller.scope(READ)
    size, span = paging.page_size(page_size), wanted.checked()
    users = _people(session, user_ids, department_id)
    mark = paging.fingerprint(
        "calendar", *(moment.isoformat() for moment in span), *sorted(map(str, users)), str(cancelled)
    )
    found = taken(session, users, *span, cancelled=cancelled)
    after = paging.values_of(page_token, mark, (datetime, UUID, datetime)) if page_token else None
    rest = [one for one in found.occurrences if after is None or one.place > tuple(after)]
    page = rest[:size]
    shown = visible_among(session, {one.plan.id for one in page})
    # What was called off keeps nobody busy, so that whoever may not see it is told nothing.
    entries = [
        Entry(one, found.users[one.plan.id], one.plan.id in shown)
        for one in page
        if one.plan.id in shown or one.status != PlanStatus.CANCELLED
    ]
    return Page(entries, paging.token_after(page[-1].place, mark) if len(rest) > size else "")


def busy_times(session: ServiceSession, user_ids: Sequence[UUID], wanted: Range) -> list[tuple[UUID, list[Slot]]]:
    """When each of some people is busy, whatever with. Raises Invalid."""
    session.caller.scope(READ)
    span = wanted.checked()
    found = _taken(session, user_ids, span)
    return [(user_id, union(one.slot for one in found.of(user_id))) for user_id in dict.fromkeys(user_ids)]


def free_slots(session: ServiceSession, user_ids: Sequence[UUID], wanted: Range, minutes: int) -> list[Slot]:
    """The stretches of working time from now on, long enough, in which some people are all free; the first few. Raises
    Invalid."""
    session.caller.scope(READ)
    span = wanted.checked()
    if not SHORTEST <= minutes <= LONGEST:
        raise Invalid("OUT_OF_RANGE", f"it takes from {SHORTEST} to {LONGEST:,} minutes", field="minutes")
    start = max(span.start, session.now)
    if start >= span.end:
        return []
    span = Slot(start, span.end)
    busy = union(one.slot for one in _taken(session, user_ids, span).occurrences)
    working = union(Slot(*each) for each in organisation(session).calendar.working_spans(*span))
    free = (slot for stretch in working for slot in without(stretch, busy))
    return [slot for slot in free if slot.end - slot.start >= timedelta(minutes=minutes)][:MOST_SLOTS]


def union(slots: Iterable[Slot]) -> list[Slot]:
    """The time that is in any of some slots, in order, as slots of which none touches another."""
    found: list[Slot] = []
    for slot in sorted(slots):
        if found and slot.start <= found[-1].end:
            found[-1] = Slot(found[-1].start, max(found[-1].end, slot.end))
        else:
            found.append(slot)
    return found


def without(stretch: Slot, busy: Sequence[Slot]) -> list[Slot]:
    """What is left of a stretch of time; `busy` is in order."""
    left, start = [], stretch.start
    for slot in busy:
        if slot.overlaps(stretch):
            if start < slot.start:
                left.append(Slot(start, slot.start))
            start = max(start, slot.end)
    if start < stretch.end:
        left.append(Slot(start, stretch.end))
    return left


def _taken(session: ServiceSession, user_ids: Sequence[UUID], span: Slot) -> Taken:
    if not 1 <= len(set(user_ids)) <= MOST_AT_ONCE:
        raise Invalid("TOO_MANY", f"name from 1 to {MOST_AT_ONCE} users", field="users", maximum=MOST_AT_ONCE)
    return taken(session, user_ids, *span)


def _people(session: ServiceSession, user_ids: Collection[UUID], department_id: UUID | None) -> set[UUID]:
    users = set(user_ids)
    if department_id is not None:
        path = session.scalar(select(KnownDepartment.path).where(KnownDepartment.id == department_id))
        below = KnownUser.department_path.startswith(path or "", autoescape=True)
        there = select(KnownUser.id).where(below, KnownUser.active, KnownUser.partner_id.is_(None))
        users.update(session.scalars(there.limit(MOST_USERS + 1)) if path else ())
    elif not users and session.caller.user_id is not None:
        users.add(session.caller.user_id)
    if len(users) > MOST_USERS:
        field = "department" if department_id is not None else "users"
        raise Invalid("TOO_MANY", f"at most {MOST_USERS} people fit", field=field, maximum=MOST_USERS)
    return users
