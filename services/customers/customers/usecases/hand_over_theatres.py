"""Give what somebody who leaves follows for a theatre (战区) to successors. Nothing but who follows it changes."""

from collections.abc import Sequence
from uuid import UUID

from chassis import notifications
from chassis.db import ServiceSession
from chassis.handover import Move, find_successors
from sqlalchemy import ColumnElement, and_, select

from customers.model import Customer, CustomerTheatre
from customers.owners import find_owner
from customers.theatres import assignments
from customers.theatres.following import FOLLOWERS


def followed_by(user_id: UUID) -> ColumnElement[bool]:
    """Whether a user follows a customer for a theatre."""
    return and_(CustomerTheatre.owner_id == user_id, FOLLOWERS.live)


def hand_over_theatres(session: ServiceSession, leaver_id: UUID, moves: Sequence[Move]) -> list[UUID]:
    """Give what a leaver follows to successors, who follow it for the same theatres, whatever their own is."""
    owners = find_successors(session, moves, find_owner)
    successors = {move.record_id: move.successor_id for move in moves}
    wanted = CustomerTheatre.id.in_(successors), followed_by(leaver_id)
    customers = select(CustomerTheatre.customer_id).where(*wanted)
    session.execute(select(Customer.id).where(Customer.id.in_(customers)).order_by(Customer.id).with_for_update())
    found = session.scalars(select(CustomerTheatre).where(*wanted).order_by(CustomerTheatre.id)).all()
    assignments.give(session, found, {one.id: owners[successors[one.id]] for one in found})
    for successor_id in owners:
        count = sum(one.owner_id == successor_id for one in found)
        if count:
            params = {"count": str(count), "actor": session.caller.subject}
            notifications.notify(session, successor_id, "THEATRE_CUSTOMERS_ASSIGNED", "", params)
    return [one.id for one in found]
