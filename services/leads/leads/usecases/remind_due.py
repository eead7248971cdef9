"""Remind people of the contacts that have fallen due."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import notifications
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name
from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from leads.model import FollowUp, KnownCustomer, KnownUser

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
    waiting = _waiting(session, [follow_up.id for follow_up in found])
    candidates = {one.id: _candidates(one, waiting[one.id].owner_id) for one in found if one.id in waiting}
    gone = _gone(session, {key for keys in candidates.values() for key in keys})
    for follow_up in found:
        follow_up.reminder_open = False
        recipient = next((key for key in candidates.get(follow_up.id, ()) if key not in gone), None)
        if recipient is not None:
            follow_up.remind_time = session.now
            _notify(session, follow_up, recipient, waiting[follow_up.id].display_name or "")
    session.flush()
    return bool(found)


def _candidates(follow_up: FollowUp, owner_id: UUID | None) -> list[UUID]:
    """Whom to remind, the next one if one has left: whoever planned the contact, and the customer's owner."""
    planner = follow_up.planner
    if not planner.startswith("users/"):
        return []
    planner_id = parse_name("users", planner)
    owners = [owner_id] if owner_id is not None else []
    return [*owners, planner_id] if follow_up.follows_owner else [planner_id, *owners]


def _gone(session: ServiceSession, ids: set[UUID]) -> set[UUID]:
    """Those of the users who may not sign in any more."""
    return set(session.scalars(select(KnownUser.id).where(KnownUser.id.in_(ids), KnownUser.active.is_(False))))


def _waiting(session: ServiceSession, ids: list[UUID]) -> dict[UUID, Any]:
    """Name and owner of the customers of those follow-ups that no later one has taken the place of."""
    later = aliased(FollowUp)
    superseded = exists().where(later.customer_id == FollowUp.customer_id, later.occur_time > FollowUp.occur_time)
    statement = (
        select(FollowUp.id, KnownCustomer.display_name, KnownCustomer.owner_id)
        .outerjoin(KnownCustomer, KnownCustomer.id == FollowUp.customer_id)
        .where(FollowUp.id.in_(ids), ~superseded, KnownCustomer.deleted.is_not(True))
    )
    return {row.id: row for row in session.execute(statement)}


def _notify(session: ServiceSession, follow_up: FollowUp, recipient: UUID, customer_name: str) -> None:
    params = {
        "customer": make_name("customers", follow_up.customer_id),
        "customer_name": customer_name,
        "next_contact_time": follow_up.next_contact_time.isoformat() if follow_up.next_contact_time else "",
    }
    notifications.notify(session, recipient, "FOLLOW_UP_DUE", follow_up.name, params)
