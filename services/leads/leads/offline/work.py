"""The tasks, plans and visits that devices keep: those of their user."""

from typing import Any

from chassis.db import ServiceSession
from sqlalchemy import Select, or_, select

from leads.model import Plan, Task, Visit
from leads.plans.queries import takes_part
from leads.tasks.queries import select_tasks


def own_tasks(session: ServiceSession) -> Select[Any]:
    """The caller's tasks, as rows. Raises Denied without `task.read`."""
    session.caller.scope("task.read")
    return select_tasks().where(Task.assignee_id == session.caller.user_id)


def own_plans(session: ServiceSession) -> Select[Any]:
    """The plans that the caller organises or takes part in, as rows that hold them. Raises Denied without
    `plan.read`."""
    session.caller.scope("plan.read")
    organised = Plan.organiser == session.caller.subject
    columns: list[Any] = [Plan.id, Plan]
    return select(*columns).where(or_(organised, takes_part(session.caller.user_id)))


def own_visits(session: ServiceSession) -> Select[Any]:
    """The caller's visits, as rows that hold them. Raises Denied without `visit.read`."""
    session.caller.scope("visit.read")
    columns: list[Any] = [Visit.id, Visit]
    return select(*columns).where(Visit.assignee_id == session.caller.user_id)
