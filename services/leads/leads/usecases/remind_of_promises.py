"""Remind owners of the promises that they have yet to take over."""

from datetime import datetime

from chassis import notifications
from chassis.db import ServiceSession
from chassis.names import make_name
from sqlalchemy import func, select

from leads.model import FollowUp, KnownCustomer, KnownUser
from leads.promises import awaits_owner


def remind_of_promises(session: ServiceSession, due: datetime) -> None:
    """Tell each owner once with how many customers promises wait for them; of one, with which. For a daily timer."""
    promised = (
        select(KnownCustomer.owner_id, KnownCustomer.id, KnownCustomer.display_name)
        .join(FollowUp, FollowUp.customer_id == KnownCustomer.id)
        .where(awaits_owner(), ~KnownCustomer.deleted)
        .distinct()
        .subquery()
    )
    owners = (
        select(
            promised.c.owner_id,
            func.count().label("number"),
            func.min(promised.c.display_name).label("customer_name"),
            func.array_agg(promised.c.id).label("customers"),
        )
        .outerjoin(KnownUser, KnownUser.id == promised.c.owner_id)
        .where(promised.c.owner_id.is_not(None), KnownUser.active.is_not(False))
        .group_by(promised.c.owner_id)
        .order_by(promised.c.owner_id)
    )
    for row in session.execute(owners):
        single = row.number == 1
        params = {"count": str(row.number)} | ({"customer_name": row.customer_name} if single else {})
        resource = make_name("customers", row.customers[0]) if single else ""
        notifications.notify(session, row.owner_id, "PROMISES_UNACKNOWLEDGED", resource, params)
