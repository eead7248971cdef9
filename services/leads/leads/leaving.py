"""What this service hands over when somebody leaves."""

from uuid import UUID

from chassis.handover import Handover, HandoverEntity
from sqlalchemy import Select, select

from leads import lead_queries, queries
from leads.consumers import keep_user
from leads.model import FollowUp, KnownUser, Lead
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
    ),
    learn_user=keep_user,
    known_user=_known_user,
)
