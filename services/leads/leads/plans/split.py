"""Let the occurrences of a series from one on be a series of their own, which is changed by itself (this and all
following)."""

from collections.abc import Sequence
from datetime import datetime

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import new_id

from leads.model import Plan, PlanDeviation, PlanParticipant
from leads.plans.changes import keep, snapshot
from leads.plans.occurrences import deviations_of, series_of, set_span
from leads.plans.queries import no_occurrence, participants_of
from leads.plans.recurrence import Slot, parted

_ACTION = "plan.split"
_COPIED = (
    "lead_id", "customer_id", "assignee_id", "assignee_department_path", "kind", "title", "place", "organiser",
    "contact_ids", "guests", "time_zone", "all_day", "reminder_minutes", "private", "status",
)  # fmt: skip


def require_occurrence(occurrence_time: datetime | None) -> datetime:
    """Which occurrence a change begins with. Raises Invalid REQUIRED if none is named."""
    if occurrence_time is None:
        raise Invalid("REQUIRED", "say with which occurrence it begins", field="occurrence_time")
    return occurrence_time


def split_plan(session: ServiceSession, plan: Plan, occurrence_time: datetime) -> Plan:
    """The plan that an occurrence of a plan, which must be locked, begins, with all that follow it: the plan itself if
    it is the first one. What became of single occurrences, and what participants said, stays so.

    Raises NotFound OCCURRENCE_NOT_FOUND, Invalid OCCURRENCE_SHIFTED.
    """
    slot = series_of(plan).at(occurrence_time) if plan.recurrence else None
    if slot is None:
        raise no_occurrence()
    if slot.start == plan.start_time:
        return plan
    before = snapshot(session, plan)
    rows = deviations_of(session, [plan.id]).get(plan.id, [])
    earlier = [row for row in rows if row.original_start < slot.start]
    plan.recurrence, rest = parted(series_of(plan), slot)
    later = _rest_of(session, plan, slot, rest)
    followers = _give(session, later, [row for row in rows if row.original_start >= slot.start])
    for one, own in ((plan, earlier), (later, followers)):
        set_span(one, own)
    session.flush()
    plan.sequence += 1
    keep(session, plan, before, _ACTION)
    keep(session, later, {}, _ACTION, anew=True)
    return later


def _rest_of(session: ServiceSession, plan: Plan, slot: Slot, rule: str) -> Plan:
    later = Plan(
        id=new_id(),
        **{column: getattr(plan, column) for column in _COPIED},
        start_time=slot.start,
        end_time=slot.end,
        recurrence=rule,
        span_start=slot.start,
        span_end=slot.end,
        sequence=0,
        version=0,
        create_time=session.now,
        update_time=session.now,
    )
    session.add(later)
    session.flush()
    session.add_all(
        PlanParticipant(
            plan_id=later.id,
            user_id=row.user_id,
            response=row.response,
            respond_time=row.respond_time,
            reminded_until=row.reminded_until,
            next_remind_time=None,
        )
        for row in participants_of(session, [plan.id])[plan.id]
    )
    session.flush()
    return later


def _give(session: ServiceSession, later: Plan, rows: Sequence[PlanDeviation]) -> list[PlanDeviation]:
    columns = ("original_start", "start_time", "end_time", "status", "result", "cancel_reason", "update_time")
    given = [PlanDeviation(plan_id=later.id, **{column: getattr(row, column) for column in columns}) for row in rows]
    for row in rows:
        session.delete(row)
    session.add_all(given)
    session.flush()
    return given
