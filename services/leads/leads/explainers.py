"""How the access to follow-ups is explained."""

from uuid import UUID

from chassis.db import ServiceSession
from chassis.explaining import Explainer, Place
from sqlalchemy import select

from leads.model import FollowUp, KnownCustomer
from leads.queries import REACHABLE, no_follow_up


def _of_follow_up(session: ServiceSession, follow_up_id: UUID) -> Place | None:
    statement = (
        select(FollowUp.customer_id, KnownCustomer.owner_id, KnownCustomer.owner_department_path, FollowUp.author)
        .outerjoin(KnownCustomer, KnownCustomer.id == FollowUp.customer_id)
        .where(FollowUp.id == follow_up_id)
    )
    row = session.execute(statement).first()
    return Place(*row) if row is not None else None


EXPLAINERS = (
    Explainer(
        collection="followUps",
        reachable=REACHABLE,
        permissions=("follow_up.read",),
        find=_of_follow_up,
        missing=no_follow_up,
        opened_to_author=("follow_up.read",),
    ),
)
