"""Give the plans of somebody who leaves to successors. Nothing but whose work they are changes."""

from collections.abc import Sequence
from uuid import UUID

from chassis import audit, notifications
from chassis.db import ServiceSession
from chassis.handover import Move, find_successors
from chassis.names import make_name
from sqlalchemy import ColumnElement, and_, select

from leads.model import Plan, PlanStatus
from leads.owners import find_owner
from leads.plans.people import ask
from leads.plans.queries import participants_of
from leads.plans.reminding import schedule


def assigned_to(user_id: UUID) -> ColumnElement[bool]:
    """Whether a plan that is open is a user's work."""
    return and_(Plan.assignee_id == user_id, Plan.status == PlanStatus.PLANNED)


def hand_over_plans(session: ServiceSession, leaver_id: UUID, moves: Sequence[Move]) -> list[UUID]:
    """Give plans to their successors, who take part from then on instead of whoever leaves."""
    owners = find_successors(session, moves, find_owner)
    successors = {move.record_id: move.successor_id for move in moves}
    wanted = select(Plan).where(Plan.id.in_(successors), assigned_to(leaver_id)).order_by(Plan.id)
    plans = session.scalars(wanted.with_for_update()).all()
    changes = []
    for plan in plans:
        owner = owners[successors[plan.id]]
        plan.assignee_id, plan.assignee_department_path = owner.id, owner.department_path
        staying = [row.user_id for row in participants_of(session, [plan.id])[plan.id] if row.user_id != leaver_id]
        ask(session, plan, staying)
        plan.version += 1
        plan.update_time = session.now
        before, after = {"assignee": make_name("users", leaver_id)}, {"assignee": make_name("users", owner.id)}
        changes.append(audit.Change("plan.hand_over", plan.name, before, after))
    schedule(session, plans)
    session.flush()
    audit.record_all(session, changes)
    for successor_id in owners:
        count = sum(plan.assignee_id == successor_id for plan in plans)
        if count:
            params = {"count": str(count), "actor": session.caller.subject}
            notifications.notify(session, successor_id, "PLANS_ASSIGNED", "", params)
    return [plan.id for plan in plans]
