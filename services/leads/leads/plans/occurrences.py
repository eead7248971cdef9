"""The occurrences of plans: what their recurrence says, but for those of which something became by themselves."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import ColumnElement, and_, or_, select

from leads.model import Plan, PlanDeviation, PlanParticipant, PlanResponse, PlanStatus
from leads.plans.recurrence import Series, Slot

Deviations = Mapping[UUID, Sequence[PlanDeviation]]
"""Those of some plans, by plan, in the order of the times at which they would be."""

AHEAD = timedelta(days=366)
"""How far ahead the occurrences of plans are compared with those of others."""


@dataclass(frozen=True)
class Occurrence:
    """One time that a plan takes place."""

    plan: Plan
    original_start: datetime | None
    """When it would begin by the recurrence; None for what does not recur."""
    slot: Slot
    status: str
    result: str | None

    @property
    def place(self) -> tuple[datetime, UUID, datetime]:
        """Where it comes in a list of occurrences."""
        return self.slot.start, self.plan.id, self.original_start or self.slot.start


def series_of(plan: Plan) -> Series:
    """When a plan takes place by its recurrence."""
    return Series(plan.start_time, plan.end_time, plan.time_zone, plan.all_day, plan.recurrence)


def deviations_of(session: ServiceSession, plan_ids: Collection[UUID]) -> dict[UUID, list[PlanDeviation]]:
    """Those of some plans. Plans without any are left out."""
    found: dict[UUID, list[PlanDeviation]] = {}
    if plan_ids:
        wanted = select(PlanDeviation).where(PlanDeviation.plan_id.in_(plan_ids))
        for row in session.scalars(wanted.order_by(PlanDeviation.original_start)):
            found.setdefault(row.plan_id, []).append(row)
    return found


def occurrences(
    plan: Plan, deviations: Sequence[PlanDeviation], start: datetime, end: datetime
) -> Iterator[Occurrence]:
    """The occurrences of a plan that overlap with [start, end), whatever has become of them, in no particular order."""
    if plan.recurrence is None:
        slot = Slot(plan.start_time, plan.end_time)
        if slot.overlaps(Slot(start, end)):
            yield Occurrence(plan, None, slot, plan.status, plan.result)
        return
    apart = {row.original_start for row in deviations}
    for slot in series_of(plan).expand(start, end):
        if slot.start not in apart:
            yield Occurrence(plan, slot.start, slot, plan.status, None)
    for row in deviations:
        slot = Slot(row.start_time, row.end_time)
        if slot.overlaps(Slot(start, end)):
            cancelled = plan.status == PlanStatus.CANCELLED and row.status == PlanStatus.PLANNED
            yield Occurrence(plan, row.original_start, slot, plan.status if cancelled else row.status, row.result)


def set_span(plan: Plan, deviations: Sequence[PlanDeviation]) -> None:
    """Derive between which times a plan's occurrences lie. Call after a change of any of them."""
    series = series_of(plan)
    moved_starts = [row.start_time for row in deviations]
    plan.span_start = min([plan.start_time, *moved_starts])
    plan.span_end = None
    if series.ends:
        last = series.all()[-1].end if plan.recurrence else plan.end_time
        plan.span_end = max([last, *(row.end_time for row in deviations)])


def within(start: datetime, end: datetime) -> ColumnElement[bool]:
    """Whether a plan may have occurrences that overlap with [start, end)."""
    return and_(Plan.span_start < end, or_(Plan.span_end.is_(None), Plan.span_end > start))


@dataclass(frozen=True)
class Taken:
    """What some people have planned in a stretch of time."""

    occurrences: Sequence[Occurrence]
    """In the order of `Occurrence.place`."""
    users: Mapping[UUID, Sequence[UUID]]
    """Who of them takes part in each plan."""

    def of(self, user_id: UUID) -> list[Occurrence]:
        """What one of them has planned."""
        return [one for one in self.occurrences if user_id in self.users[one.plan.id]]


def taken(
    session: ServiceSession,
    user_ids: Collection[UUID],
    start: datetime,
    end: datetime,
    *,
    cancelled: bool = False,
    but: UUID | None = None,
) -> Taken:
    """What some people take part in that overlaps with [start, end), save what they declined. `cancelled`: what was
    called off, too. `but`: a plan to leave out."""
    wanted = (
        select(Plan, PlanParticipant.user_id)
        .join(PlanParticipant, PlanParticipant.plan_id == Plan.id)
        .where(
            PlanParticipant.user_id.in_(user_ids),
            PlanParticipant.response != PlanResponse.DECLINED,
            within(start, end),
        )
        .order_by(Plan.id, PlanParticipant.user_id)
    )
    if but is not None:
        wanted = wanted.where(Plan.id != but)
    if not cancelled:
        wanted = wanted.where(or_(Plan.status != PlanStatus.CANCELLED, Plan.recurrence.is_not(None)))
    plans: dict[UUID, Plan] = {}
    users: dict[UUID, list[UUID]] = {}
    for plan, user_id in session.execute(wanted):
        plans[plan.id] = plan
        users.setdefault(plan.id, []).append(user_id)
    deviations = deviations_of(session, [plan.id for plan in plans.values() if plan.recurrence])
    found = [
        one
        for plan in plans.values()
        for one in occurrences(plan, deviations.get(plan.id, ()), start, end)
        if cancelled or one.status != PlanStatus.CANCELLED
    ]
    return Taken(sorted(found, key=lambda one: one.place), users)
