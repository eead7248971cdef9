"""Say whether one takes part in a plan."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from sqlalchemy import select

from leads.model import Plan, PlanParticipant, PlanResponse
from leads.plans.conflicts import hold_people, judge
from leads.plans.occurrences import deviations_of
from leads.plans.queries import no_plan, visible
from leads.plans.reminding import schedule
from leads.plans.update import require_open

_ANSWERS = (PlanResponse.ACCEPTED, PlanResponse.DECLINED, PlanResponse.TENTATIVE)


def respond_to_plan(session: ServiceSession, plan_id: UUID, response: str) -> Plan:
    """Note whether the caller takes part. Who declines is not busy with it, and not reminded.

    Raises Invalid UNKNOWN_PLAN_RESPONSE, NotFound, Conflict PLAN_NOT_OPEN; PLAN_CONFLICT for somebody who had
    declined and has planned something else since, if the rules forbid that.
    """
    if response not in _ANSWERS:
        message = f"answer with one of {', '.join(_ANSWERS)}"
        raise Invalid("UNKNOWN_PLAN_RESPONSE", message, field="response")
    # The plan is locked before its participants, as whoever changes it does: see `leads.locking`.
    wanted = select(Plan).where(Plan.id == plan_id, visible(session)).with_for_update(of=Plan)
    plan = session.scalars(wanted.execution_options(populate_existing=True)).first()
    mine = select(PlanParticipant).where(
        PlanParticipant.plan_id == plan_id, PlanParticipant.user_id == session.caller.user_id
    )
    row = session.scalars(mine.with_for_update().execution_options(populate_existing=True)).first()
    if plan is None or row is None:
        raise no_plan()
    require_open(plan)
    if row.response == response:
        return plan
    before = row.response
    if before == PlanResponse.DECLINED:
        hold_people(session, [row.user_id])
        judge(session, plan, deviations_of(session, [plan.id]).get(plan.id, []), [row.user_id])
    row.response, row.respond_time = response, session.now
    schedule(session, [plan])
    session.flush()
    audit.record(session, "plan.respond", plan.name, {"response": before}, {"response": response})
    return plan
