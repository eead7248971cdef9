"""What speaks against the times of a plan: other plans of its participants, and the working calendar.

Times are half-open intervals: what begins when something else ends does not conflict with it. Of several calls that
plan something for one person, one is judged after the other, each beside what the one before it has planned.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import locks
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.names import make_name
from chassis.organisation import organisation

from leads.model import Plan, PlanDeviation, PlanStatus
from leads.plans.occurrences import AHEAD, Occurrence, occurrences, taken
from leads.plans.queries import visible_among
from leads.plans.recurrence import Slot
from leads.plans.rules import ConflictPolicy, conflict_rules

MOST_TOLD = 100
MOST_OUTSIDE = 20


@dataclass(frozen=True)
class Clash:
    """Another plan of a participant at the same time. Of what the caller may not see, plan and title are empty."""

    plan: str
    title: str
    user: str
    slot: Slot


def hold_people(session: ServiceSession, user_ids: Collection[UUID]) -> None:
    """Let nobody else plan anything for these people until the transaction ends."""
    for user_id in sorted(user_ids):
        locks.hold(session, f"calendar of {user_id}")


def judge(
    session: ServiceSession, plan: Plan, deviations: Sequence[PlanDeviation], user_ids: Collection[UUID]
) -> list[Clash]:
    """What some participants have planned at the times of a plan, as far as the rules want that told. The people
    must be held. Raises Conflict PLAN_CONFLICT if the rules forbid it."""
    policy = conflict_rules(session).policy(plan.kind)
    if policy == ConflictPolicy.ALLOW:
        return []
    clashes = find(session, plan, _to_come(session, plan, deviations), user_ids)
    if clashes and policy == ConflictPolicy.BLOCK:
        raise _refusal(clashes)
    return clashes


def outside_working_hours(session: ServiceSession, plan: Plan, deviations: Sequence[PlanDeviation]) -> list[datetime]:
    """When occurrences begin that do not lie within working hours altogether, the first few. Whole days are not
    judged."""
    if plan.all_day:
        return []
    calendar = organisation(session).calendar
    return [
        one.slot.start
        for one in _to_come(session, plan, deviations)
        if calendar.working_time_between(*one.slot) < one.slot.end - one.slot.start
    ][:MOST_OUTSIDE]


def find(session: ServiceSession, plan: Plan, own: Sequence[Occurrence], user_ids: Collection[UUID]) -> list[Clash]:
    """What some people have planned besides that overlaps with occurrences of a plan, which come in order; the first
    few."""
    if not own or not user_ids:
        return []
    end = max(one.slot.end for one in own)
    others = taken(session, user_ids, own[0].slot.start, end, but=plan.id)
    longest = max(one.slot.end - one.slot.start for one in own)
    starts = [one.slot.start for one in own]
    found = []
    for other in others.occurrences:
        # Of its own occurrences, only those can overlap that begin at most their length before the other one.
        for place in range(bisect_left(starts, other.slot.start - longest), bisect_left(starts, other.slot.end)):
            if own[place].slot.overlaps(other.slot):
                found += [(other, user_id) for user_id in others.users[other.plan.id]]
                break
        if len(found) >= MOST_TOLD:
            break
    shown = visible_among(session, {other.plan.id for other, _ in found})
    return [_clash(other, user_id, visible=other.plan.id in shown) for other, user_id in found[:MOST_TOLD]]


def _to_come(session: ServiceSession, plan: Plan, deviations: Sequence[PlanDeviation]) -> list[Occurrence]:
    """The occurrences that are compared with others, in order: what is planned once, or the next of a series."""
    start = max(plan.span_start, session.now) if plan.recurrence else plan.span_start
    found = occurrences(plan, deviations, start, start + AHEAD)
    return sorted((one for one in found if one.status == PlanStatus.PLANNED), key=lambda one: one.place)


def _clash(other: Occurrence, user_id: UUID, *, visible: bool) -> Clash:
    plan = other.plan
    return Clash(plan.name if visible else "", plan.title if visible else "", make_name("users", user_id), other.slot)


def _refusal(clashes: Sequence[Clash]) -> Conflict:
    """Names what the caller may see; of the rest, who is busy when."""
    plans = sorted({clash.plan for clash in clashes if clash.plan})
    busy = [
        f"{clash.user} {clash.slot.start.isoformat()}/{clash.slot.end.isoformat()}"
        for clash in clashes
        if not clash.plan
    ]
    message = "participants have planned something at that time: choose another time, or free them first"
    users = sorted({clash.user for clash in clashes})
    return Conflict(
        "PLAN_CONFLICT",
        message,
        field="start_time",
        plans=",".join(plans),
        busy=",".join(busy),
        users=",".join(users),
    )
