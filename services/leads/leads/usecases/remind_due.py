"""Remind authors of the contacts that have fallen due."""

from datetime import datetime
from uuid import UUID

from chassis import notifications
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name
from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from leads.model import FollowUp, KnownCustomer

BATCH = 500


def remind_due(session: ServiceSession, due: datetime) -> None:
    """Send the reminders that are due, each once. A follow-up that has a later one by then is passed over."""
    while _remind_some(session, due):
        pass


def _remind_some(session: ServiceSession, due: datetime) -> bool:
    """Deal with the next batch. Says whether there was any."""
    found = session.scalars(
        select(FollowUp)
        .where(FollowUp.reminder_open, FollowUp.next_contact_time <= due)
        .order_by(FollowUp.next_contact_time)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    names = _names_of_waiting(session, [follow_up.id for follow_up in found])
    for follow_up in found:
        follow_up.reminder_open = False
        if follow_up.id in names and follow_up.author.startswith("users/"):
            follow_up.remind_time = session.now
            _notify(session, follow_up, names[follow_up.id])
    session.flush()
    return bool(found)


def _names_of_waiting(session: ServiceSession, ids: list[UUID]) -> dict[UUID, str]:
    """The customers' names of those follow-ups that no later one has taken the place of."""
    later = aliased(FollowUp)
    superseded = exists().where(later.customer_id == FollowUp.customer_id, later.occur_time > FollowUp.occur_time)
    statement = (
        select(FollowUp.id, KnownCustomer.display_name)
        .outerjoin(KnownCustomer, KnownCustomer.id == FollowUp.customer_id)
        .where(FollowUp.id.in_(ids), ~superseded, KnownCustomer.deleted.is_not(True))
    )
    return {row.id: row.display_name or "" for row in session.execute(statement)}


def _notify(session: ServiceSession, follow_up: FollowUp, customer_name: str) -> None:
    params = {
        "customer": make_name("customers", follow_up.customer_id),
        "customer_name": customer_name,
        "next_contact_time": follow_up.next_contact_time.isoformat() if follow_up.next_contact_time else "",
    }
    notifications.notify(session, parse_name("users", follow_up.author), "FOLLOW_UP_DUE", follow_up.name, params)
