"""Move a plan, or one occurrence of it, to other times."""

from datetime import datetime
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag

from leads.model import Plan, PlanDeviation, PlanStatus
from leads.plans.changes import keep, snapshot, tell_all
from leads.plans.conflicts import hold_people, judge
from leads.plans.create import Outcome, outcome_of
from leads.plans.drafts import Times
from leads.plans.occurrences import deviations_of, series_of, set_span
from leads.plans.people import ask_again, who_come
from leads.plans.queries import lock_plan, no_occurrence
from leads.plans.recurrence import Slot, parse_rule
from leads.plans.split import require_occurrence, split_plan
from leads.plans.update import carry_over, require_open

_ACTION = "plan.move"


def move_plan(
    session: ServiceSession,
    plan_id: UUID,
    start: datetime | None,
    end: datetime | None,
    *,
    occurrence_time: datetime | None = None,
    following: bool = False,
    time_zone: str = "",
    etag: str = "",
) -> Outcome:
    """Move a plan to other times and ask its participants again, or one occurrence of it and tell them. `following`:
    the occurrence and all that follow it, which are a plan of their own from then on.

    Raises Invalid INVALID_PLAN_TIMES and the like, NotFound, Denied NOT_YOURS, Conflict PLAN_NOT_OPEN, Conflict
    PLAN_CONFLICT if the rules forbid the times, and Stale.
    """
    plan = lock_plan(session, plan_id)
    check_etag(etag, plan.version)
    require_open(plan)
    if following:
        plan, occurrence_time = split_plan(session, plan, require_occurrence(occurrence_time)), None
    before = snapshot(session, plan)
    times = Times(start, end, time_zone or plan.time_zone, plan.all_day)
    if occurrence_time is not None:
        if time_zone not in ("", plan.time_zone):
            raise Invalid("ONE_ZONE", "a plan has one time zone for all its occurrences", field="time_zone")
        slot = _move_one(session, plan, occurrence_time, times)
    else:
        slot = _move_all(session, plan, times)
    deviations = deviations_of(session, [plan.id]).get(plan.id, [])
    set_span(plan, deviations)
    changed = snapshot(session, plan) != before
    plan.sequence += changed
    if changed and occurrence_time is None:
        ask_again(session, plan)  # first, since who had declined the former times is asked, and judged, as well
    people = who_come(session, plan)
    hold_people(session, people)
    clashes = judge(session, plan, deviations, people)
    if keep(session, plan, before, _ACTION, anew=True):
        told = {"start_time": slot.start.isoformat(), "end_time": slot.end.isoformat()}
        tell_all(session, plan, "PLAN_MOVED", **told)
    return outcome_of(session, plan, deviations, clashes)


def occurrence_of(session: ServiceSession, plan: Plan, occurrence_time: datetime) -> PlanDeviation:
    """What becomes of one occurrence by itself, stored from then on. Raises NotFound OCCURRENCE_NOT_FOUND if the
    plan has none at that time, Conflict PLAN_NOT_OPEN if it is done or cancelled."""
    for row in deviations_of(session, [plan.id]).get(plan.id, []):
        if row.original_start == occurrence_time:
            require_open(row)
            return row
    slot = series_of(plan).at(occurrence_time) if plan.recurrence else None
    if slot is None:
        raise no_occurrence()
    row = PlanDeviation(
        plan_id=plan.id,
        original_start=slot.start,
        start_time=slot.start,
        end_time=slot.end,
        status=PlanStatus.PLANNED,
        update_time=session.now,
    )
    session.add(row)
    return row


def _move_one(session: ServiceSession, plan: Plan, occurrence_time: datetime, times: Times) -> Slot:
    moved = times.checked()
    row = occurrence_of(session, plan, occurrence_time)
    row.start_time, row.end_time, row.update_time = moved.start, moved.end, session.now
    session.flush()
    return Slot(moved.start, moved.end)


def _move_all(session: ServiceSession, plan: Plan, times: Times) -> Slot:
    former, moved = series_of(plan), times.checked()
    plan.start_time, plan.end_time, plan.time_zone = moved.start, moved.end, moved.time_zone
    if former.rule is not None:
        plan.recurrence = parse_rule(former.rule, moved)
        carry_over(session, plan, former, deviations_of(session, [plan.id]).get(plan.id, []))
    return Slot(moved.start, moved.end)
