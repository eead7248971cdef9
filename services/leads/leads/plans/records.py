"""Plans with all that is shown of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.db import ServiceSession

from leads import subjects
from leads.model import Plan, PlanDeviation, PlanParticipant
from leads.plans.occurrences import deviations_of
from leads.plans.queries import participants_of


@dataclass(frozen=True)
class PlanRecord:
    """A plan, who takes part in it, what became of single occurrences, and what its subject is called."""

    plan: Plan
    participants: Sequence[PlanParticipant]
    deviations: Sequence[PlanDeviation]
    subject_title: str


def read_records(session: ServiceSession, plans: Sequence[Plan]) -> list[PlanRecord]:
    """Some plans, in the order given, by a few statements for however many."""
    ids = {plan.id for plan in plans}
    participants = participants_of(session, ids)
    deviations = deviations_of(session, {plan.id for plan in plans if plan.recurrence})
    about = {plan.id: subjects.of(plan) for plan in plans if plan.subject}
    titles = subjects.titles(session, about.values())
    return [
        PlanRecord(
            plan,
            participants[plan.id],
            deviations.get(plan.id, ()),
            titles.get(about[plan.id], "") if plan.id in about else "",
        )
        for plan in plans
    ]


def read_record(session: ServiceSession, plan: Plan) -> PlanRecord:
    """One plan, as it is to be shown."""
    [record] = read_records(session, [plan])
    return record
