"""Remind people of the contacts that have fallen due."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import notifications
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name
from chassis.timers import has_rows
from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from leads.model import FollowUp, KnownCustomer, KnownTheatre, KnownUser, Lead
from leads.subjects import of
from leads.told import titles_for

BATCH = 500


def remind_due(session: ServiceSession, due: datetime) -> bool:
    """Send the reminders that are due, each once. A follow-up that has a later one by then is passed over.

    Returns whether some are left, as others hold them.
    """
    wanted = (
        select(FollowUp)
        .where(FollowUp.reminder_open, FollowUp.next_contact_time <= due)
        .order_by(FollowUp.next_contact_time)
    )
    while found := session.scalars(wanted.limit(BATCH).with_for_update(skip_locked=True)).all():
        _remind(session, found)
    return has_rows(session, wanted)


def _remind(session: ServiceSession, found: Sequence[FollowUp]) -> None:
    waiting = _waiting(session, [follow_up.id for follow_up in found])
    candidates = {one.id: _candidates(one, waiting[one.id].owner_id) for one in found if one.id in waiting}
    gone = _gone(session, {key for keys in candidates.values() for key in keys})
    told = []
    for follow_up in found:
        follow_up.reminder_open = False
        recipient = next((key for key in candidates.get(follow_up.id, ()) if key not in gone), None)
        if recipient is not None:
            follow_up.remind_time = session.now
            told.append((follow_up, (recipient, of(follow_up))))
    named = titles_for(session, [whom for _, whom in told])
    for follow_up, whom in told:
        _notify(session, follow_up, whom[0], named[whom])
    session.flush()


def _candidates(follow_up: FollowUp, owner_id: UUID | None) -> list[UUID]:
    """Whom to remind, the next one if one has left: whoever planned the contact, and who looks after the customer or
    lead."""
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
    """Who looks after the customer or lead for the theatre or as its owner, of those follow-ups that no later one of
    their side has taken the place of."""
    later = aliased(FollowUp)
    with_customer = exists().where(
        later.customer_id == FollowUp.customer_id,
        later.occur_time > FollowUp.occur_time,
        later.joint_theatre.is_not_distinct_from(FollowUp.joint_theatre),
    )
    with_lead = exists().where(
        FollowUp.customer_id.is_(None), later.lead_id == FollowUp.lead_id, later.occur_time > FollowUp.occur_time
    )
    its_theatre = and_(
        KnownTheatre.customer_id == FollowUp.customer_id,
        KnownTheatre.theatre == FollowUp.joint_theatre,
        KnownTheatre.active,
    )
    owner_id = func.coalesce(KnownTheatre.owner_id, KnownCustomer.owner_id, Lead.owner_id).label("owner_id")
    statement = (
        select(FollowUp.id, owner_id)
        .outerjoin(KnownCustomer, KnownCustomer.id == FollowUp.customer_id)
        .outerjoin(KnownTheatre, its_theatre)
        .outerjoin(Lead, and_(FollowUp.customer_id.is_(None), Lead.id == FollowUp.lead_id))
        .where(FollowUp.id.in_(ids), ~with_customer, ~with_lead, KnownCustomer.deleted.is_not(True))
        .where(or_(FollowUp.customer_id.is_not(None), Lead.id.is_not(None)))
    )
    return {row.id: row for row in session.execute(statement)}


def _notify(session: ServiceSession, follow_up: FollowUp, recipient: UUID, title: str) -> None:
    lead = "" if follow_up.customer_id else make_name("leads", follow_up.lead_id)
    params = {
        "customer": make_name("customers", follow_up.customer_id),
        "customer_name": title,
        **({"lead": lead} if lead else {}),
        "next_contact_time": follow_up.next_contact_time.isoformat() if follow_up.next_contact_time else "",
    }
    notifications.notify(session, recipient, "FOLLOW_UP_DUE", follow_up.name, params)
