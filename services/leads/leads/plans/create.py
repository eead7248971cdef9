"""Make a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import new_id

from leads import subjects
from leads.model import Plan, PlanDeviation, PlanStatus
from leads.plans.changes import keep, tell
from leads.plans.conflicts import Clash, hold_people, judge, outside_working_hours
from leads.plans.drafts import PlanDraft, check_draft
from leads.plans.occurrences import set_span
from leads.plans.people import ask, find_people, set_assignee
from leads.reachable import Customers

PERMISSION = "plan.create"


@dataclass(frozen=True)
class Outcome:
    """A plan that was made or changed, and what speaks against its times."""

    plan: Plan
    clashes: Sequence[Clash]
    outside: Sequence[datetime]
    """When occurrences begin that do not lie within working hours."""


def create_plan(session: ServiceSession, draft: PlanDraft, customers: Customers) -> Outcome:
    """Make a plan, invite its participants, and say what speaks against its times.

    Raises Invalid, naming every field at fault; NotFound or Denied NOT_YOURS for a subject or assignee out of reach;
    Conflict PLAN_CONFLICT if the rules forbid its times.
    """
    stored, series = check_draft(draft)
    if draft.subject is not None:
        subjects.require(session, draft.subject, PERMISSION, customers)
    assignee_id = draft.assignee_id or session.caller.user_id
    if assignee_id is None:
        raise Invalid("REQUIRED", "say whose plan it is", field="assignee")
    people = {assignee_id, *draft.participant_ids}
    paths = find_people(session, people)
    plan = Plan(
        id=new_id(),
        **stored,
        **(draft.subject.columns if draft.subject else {}),
        organiser=session.caller.subject,
        start_time=series.start,
        end_time=series.end,
        time_zone=series.time_zone,
        all_day=series.all_day,
        recurrence=series.rule,
        status=PlanStatus.PLANNED,
        sequence=0,
        version=0,
        create_time=session.now,
        update_time=session.now,
    )
    set_assignee(session, plan, assignee_id, paths[assignee_id], PERMISSION)
    set_span(plan, ())
    hold_people(session, people)
    clashes = judge(session, plan, (), people)
    session.add(plan)
    session.flush()
    invited = ask(session, plan, people)
    keep(session, plan, {}, PERMISSION, anew=True)
    tell(session, plan, "PLAN_INVITED", invited)
    return outcome_of(session, plan, (), clashes)


def outcome_of(
    session: ServiceSession, plan: Plan, deviations: Sequence[PlanDeviation], clashes: Sequence[Clash]
) -> Outcome:
    """A plan that was stored, and what speaks against its times."""
    return Outcome(plan, clashes, outside_working_hours(session, plan, deviations))
