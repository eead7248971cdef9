"""Call off a plan, or one occurrence of it."""

from datetime import datetime
from uuid import UUID

from chassis.db import ServiceSession
from chassis.etags import check_etag
from sqlalchemy import select

from leads.model import Plan, PlanStatus
from leads.plans.changes import keep, snapshot, tell_all
from leads.plans.drafts import MAX_REASON, short_text
from leads.plans.move import occurrence_of
from leads.plans.queries import lock_plan
from leads.plans.split import require_occurrence, split_plan
from leads.plans.update import require_open

BATCH = 100
LEAD_DELETED = "LEAD_DELETED"
"""Why what was planned about a lead does not take place that is gone."""
_ACTION = "plan.cancel"


def cancel_plan(
    session: ServiceSession,
    plan_id: UUID,
    *,
    occurrence_time: datetime | None = None,
    following: bool = False,
    reason: str = "",
    etag: str = "",
) -> Plan:
    """Call off a plan, or one occurrence of it, and tell its participants. It stays, cancelled. `following`: the
    occurrence and all that follow it, which are a plan of their own from then on.

    Raises NotFound, Denied NOT_YOURS, Conflict PLAN_NOT_OPEN, Stale.
    """
    why = short_text(reason, "reason", MAX_REASON)
    plan = lock_plan(session, plan_id)
    check_etag(etag, plan.version)
    require_open(plan)
    if following:
        plan, occurrence_time = split_plan(session, plan, require_occurrence(occurrence_time)), None
    if occurrence_time is None:
        return _call_off(session, plan, why)
    before = snapshot(session, plan)
    row = occurrence_of(session, plan, occurrence_time)
    row.status, row.cancel_reason, row.update_time = PlanStatus.CANCELLED, why, session.now
    plan.sequence += 1
    # Nobody is reminded of what is called off, and of the rest as before.
    keep(session, plan, before, _ACTION)
    slot = {"start_time": row.start_time.isoformat(), "end_time": row.end_time.isoformat()}
    tell_all(session, plan, "PLAN_CANCELLED", reason=why or "", **slot)
    return plan


def cancel_plans_of_lead(session: ServiceSession, lead_id: UUID) -> None:
    """Call off what is planned about a lead that is gone, unless it became a customer, and tell the participants."""
    open_ = Plan.lead_id == lead_id, Plan.customer_id.is_(None), Plan.status == PlanStatus.PLANNED
    wanted = select(Plan).where(*open_).order_by(Plan.id).limit(BATCH).with_for_update(of=Plan)
    while plans := session.scalars(wanted.execution_options(populate_existing=True)).all():
        for plan in plans:
            _call_off(session, plan, LEAD_DELETED)


def _call_off(session: ServiceSession, plan: Plan, why: str | None) -> Plan:
    before = snapshot(session, plan)
    plan.status, plan.cancel_reason, plan.cancel_time = PlanStatus.CANCELLED, why, session.now
    plan.sequence += 1
    keep(session, plan, before, _ACTION)
    tell_all(session, plan, "PLAN_CANCELLED", reason=why or "")
    return plan
