"""Change what a plan is. For its times see `leads.plans.move`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.etags import check_etag
from chassis.rules import refuse

from leads import subjects
from leads.model import Plan, PlanDeviation, PlanStatus
from leads.plans.changes import keep, snapshot, tell, tell_all
from leads.plans.conflicts import Clash, hold_people, judge
from leads.plans.create import Outcome, outcome_of
from leads.plans.drafts import stored_values
from leads.plans.occurrences import deviations_of, series_of, set_span
from leads.plans.people import ask, ask_again, find_people, set_assignee, who_come
from leads.plans.queries import UPDATE, lock_plan, participants_of
from leads.plans.recurrence import Series, parse_rule
from leads.plans.split import split_plan
from leads.reachable import Customers
from leads.subjects import Subject


@dataclass(frozen=True)
class PlanPatch:
    """What is to be changed of a plan: what is not among `paths` stays as it is."""

    paths: frozenset[str]
    values: dict[str, Any] = field(default_factory=dict)
    """Raw values by field, see `leads.plans.drafts.PLAN_RULES`."""
    recurrence: str = ""
    subject: Subject | None = None
    assignee_id: UUID | None = None
    participant_ids: Sequence[UUID] = ()


def update_plan(
    session: ServiceSession,
    plan_id: UUID,
    patch: PlanPatch,
    customers: Customers,
    *,
    following: datetime | None = None,
    etag: str = "",
) -> Outcome:
    """Change a plan, or its occurrences from one on, which are a plan of their own from then on. A change of nothing of
    a whole plan leaves no trace.

    Raises as `create_plan` does, Conflict PLAN_NOT_OPEN for one that is done or cancelled, and Stale.
    """
    stored, faults = stored_values(patch.values)
    refuse(faults)
    if "assignee" in patch.paths and patch.assignee_id is None:
        raise Invalid("REQUIRED", "say whose plan it is", field="assignee")
    # People are locked before plans, as in a department move, so that the two never wait for each other.
    named = {*patch.participant_ids, *([patch.assignee_id] if patch.assignee_id else [])}
    paths = find_people(session, named)
    plan = lock_plan(session, plan_id)
    check_etag(etag, plan.version)
    require_open(plan)
    if following is not None:
        plan = split_plan(session, plan, following)
    before, deviations = snapshot(session, plan), deviations_of(session, [plan.id]).get(plan.id, [])
    _set_subject(session, plan, patch, customers)
    if patch.assignee_id is not None and patch.assignee_id != plan.assignee_id:
        set_assignee(session, plan, patch.assignee_id, paths[patch.assignee_id], UPDATE)
    for column, value in stored.items():
        setattr(plan, column, value)
    recurs_anew = _set_recurrence(session, plan, patch, deviations)
    if recurs_anew:
        deviations = deviations_of(session, [plan.id]).get(plan.id, [])
    judged = recurs_anew or plan.kind != before["kind"]
    clashes, invited = _invite(session, plan, patch, deviations, everybody=judged)
    if keep(session, plan, before, UPDATE, anew=recurs_anew):
        tell(session, plan, "PLAN_INVITED", invited)
        if recurs_anew:
            tell_all(session, plan, "PLAN_MOVED")
    return outcome_of(session, plan, deviations, clashes)


def require_open(plan: Plan | PlanDeviation) -> None:
    """Raise Conflict PLAN_NOT_OPEN for a plan, or an occurrence, that is done or cancelled."""
    if plan.status != PlanStatus.PLANNED:
        message = "this is done or cancelled and is not changed any more; make another one"
        raise Conflict("PLAN_NOT_OPEN", message, status=plan.status)


def carry_over(
    session: ServiceSession, plan: Plan, former: Series, deviations: Sequence[PlanDeviation]
) -> list[PlanDeviation]:
    """Let what became of single occurrences hold for those that the plan has on the same days now, and return it."""
    now, kept = series_of(plan), []
    for row in deviations:
        session.delete(row)
        day = former.day_of(row.original_start)
        slot = next((one for one in now.expand(*_around(row)) if now.day_of(one.start) == day), None)
        if slot is not None and plan.recurrence is not None:
            cancelled = row.status == PlanStatus.CANCELLED
            kept.append(
                PlanDeviation(
                    plan_id=plan.id,
                    original_start=slot.start,
                    start_time=slot.start if cancelled else row.start_time,
                    end_time=slot.end if cancelled else row.end_time,
                    status=row.status,
                    result=row.result,
                    cancel_reason=row.cancel_reason,
                    update_time=session.now,
                )
            )
    session.flush()  # the rows that are gone, before others take their places
    session.add_all(kept)
    session.flush()
    return kept


def _around(row: PlanDeviation) -> tuple[datetime, datetime]:
    """A stretch that has all of the day of an occurrence in it, whatever the zone of the plan is now."""
    return row.original_start - timedelta(days=2), row.original_start + timedelta(days=2)


def _set_subject(session: ServiceSession, plan: Plan, patch: PlanPatch, customers: Customers) -> None:
    if "subject" not in patch.paths or (patch.subject.name if patch.subject else "") == plan.subject:
        return
    if patch.subject is not None:
        subjects.require(session, patch.subject, UPDATE, customers)
    columns = patch.subject.columns if patch.subject else {"lead_id": None, "customer_id": None}
    plan.lead_id, plan.customer_id = columns["lead_id"], columns["customer_id"]


def _set_recurrence(session: ServiceSession, plan: Plan, patch: PlanPatch, deviations: Sequence[PlanDeviation]) -> bool:
    """Let a plan recur as stated. Says whether that is otherwise than before."""
    if "recurrence" not in patch.paths:
        return False
    former = series_of(plan)
    single = replace(former, rule=None)
    plan.recurrence = parse_rule(patch.recurrence, single) if patch.recurrence else None
    if plan.recurrence == former.rule:
        return False
    plan.sequence += 1
    set_span(plan, carry_over(session, plan, former, deviations))
    ask_again(session, plan)
    return True


def _invite(
    session: ServiceSession, plan: Plan, patch: PlanPatch, deviations: Sequence[PlanDeviation], *, everybody: bool
) -> tuple[list[Clash], list[UUID]]:
    """Let those take part whom a patch names. Returns what they have planned besides, and who is new."""
    taking_part = [row.user_id for row in participants_of(session, [plan.id])[plan.id]]
    wanted = set(patch.participant_ids if "participants" in patch.paths else taking_part)
    if plan.assignee_id is not None:
        wanted.add(plan.assignee_id)
    new = wanted.difference(taking_part)
    hold_people(session, wanted if everybody else new)
    invited = ask(session, plan, wanted)
    judged = who_come(session, plan) if everybody else invited
    return judge(session, plan, deviations, judged) if judged else [], invited
