"""Note that a plan, or one occurrence of it, took place, and what came of it."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.etags import check_etag

from leads import subjects
from leads.drafts import FollowUpDraft
from leads.model import FollowUp, FollowUpMethod, Plan, PlanKind, PlanStatus
from leads.plans.changes import keep, snapshot
from leads.plans.drafts import MAX_RESULT, short_text
from leads.plans.move import occurrence_of
from leads.plans.queries import lock_plan
from leads.plans.recurrence import Slot
from leads.plans.update import require_open
from leads.reachable import Customers
from leads.usecases.log_follow_up import log_follow_up

_METHODS = {str(kind): str(FollowUpMethod[kind]) for kind in PlanKind}
"""How the subject was reached by a plan of a kind."""


def complete_plan(
    session: ServiceSession,
    plan_id: UUID,
    customers: Customers,
    *,
    occurrence_time: datetime | None = None,
    result: str = "",
    follow_up: FollowUpDraft | None = None,
    etag: str = "",
) -> tuple[Plan, FollowUp | None]:
    """Note that a plan took place. `follow_up` is what to log of it: its subject is the plan's, and what it does not
    state follows from the plan.

    Raises NotFound, Denied NOT_YOURS, Invalid OCCURRENCE_REQUIRED or NO_SUBJECT, Conflict PLAN_NOT_OPEN or
    PLAN_NOT_BEGUN, Stale, and what `log_follow_up` raises.
    """
    what = short_text(result, "result", MAX_RESULT)
    plan = lock_plan(session, plan_id)
    check_etag(etag, plan.version)
    require_open(plan)
    before = snapshot(session, plan)
    if plan.recurrence is not None and occurrence_time is None:
        message = "say which occurrence took place, by when it would begin"
        raise Invalid("OCCURRENCE_REQUIRED", message, field="occurrence_time")
    row = occurrence_of(session, plan, occurrence_time) if occurrence_time is not None else None
    slot = Slot(row.start_time, row.end_time) if row is not None else Slot(plan.start_time, plan.end_time)
    if slot.start > session.now:
        raise Conflict("PLAN_NOT_BEGUN", "this has not begun; move it if it takes place earlier", field="name")
    if row is not None:
        row.status, row.result, row.update_time = PlanStatus.DONE, what, session.now
    else:
        plan.status, plan.result = PlanStatus.DONE, what
    keep(session, plan, before, "plan.complete")
    return plan, _log(session, plan, slot, what or "", follow_up, customers)


def _log(
    session: ServiceSession,
    plan: Plan,
    slot: Slot,
    result: str,
    stated: FollowUpDraft | None,
    customers: Customers,
) -> FollowUp | None:
    if stated is None:
        return None
    if not plan.subject:
        message = "the plan is about no lead or customer on whom a follow-up could be logged"
        raise Invalid("NO_SUBJECT", message, field="follow_up")
    about = subjects.of(plan).columns
    draft = replace(
        stated,
        customer_id=about["customer_id"],
        lead_id=about["lead_id"],
        method=stated.method if stated.method != "UNSPECIFIED" else _METHODS[plan.kind],
        content=stated.content or result,
        occur_time=stated.occur_time or min(slot.end, session.now),
    )
    return log_follow_up(session, draft, customers)
