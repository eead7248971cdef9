"""What this service hands over when somebody leaves."""

from uuid import UUID

from chassis.handover import Handover, HandoverEntity
from sqlalchemy import Select, select

from leads import lead_queries, queries
from leads.consumers import keep_user
from leads.model import FollowUp, KnownUser, Lead, Plan, Task
from leads.plans import leaving as plans_leaving
from leads.plans import queries as plan_queries
from leads.tasks import queries as task_queries
from leads.tasks.leaving import assigned_to, hand_over_tasks
from leads.usecases.hand_over import hand_over_leads, hand_over_plans, owned_by, planned_by


def _known_user(user_id: UUID) -> Select[bool, str | None]:
    return select(KnownUser.active, KnownUser.department_path).where(KnownUser.id == user_id)


HANDOVER = Handover(
    service="leads",
    entities=(
        HandoverEntity(
            "lead",
            Lead.id,
            owned_by,
            lambda session, conditions: lead_queries.REGISTRY.where(conditions, caller=session.caller),
            hand_over_leads,
        ),
        HandoverEntity(
            "follow_up",
            FollowUp.id,
            planned_by,
            lambda session, conditions: queries.REGISTRY.where(conditions, caller=session.caller),
            hand_over_plans,
            follows=True,
        ),
        HandoverEntity(
            "task",
            Task.id,
            assigned_to,
            lambda session, conditions: task_queries.REGISTRY.where(conditions, caller=session.caller),
            hand_over_tasks,
        ),
        HandoverEntity(
            "plan",
            Plan.id,
            plans_leaving.assigned_to,
            lambda session, conditions: plan_queries.REGISTRY.where(conditions, caller=session.caller),
            plans_leaving.hand_over_plans,
        ),
    ),
    learn_user=keep_user,
    known_user=_known_user,
)
