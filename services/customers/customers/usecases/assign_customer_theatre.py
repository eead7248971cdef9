"""Let somebody follow a customer for their theatre (战区) beside its owner, and end that."""

from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Conflict, DomainError, Invalid, NotFound
from sqlalchemy import or_, select

from customers import queries
from customers.model import Customer, CustomerTheatre
from customers.owners import find_owner
from customers.theatres import assignments
from customers.theatres.following import FOLLOWERS, theatre_at

PERMISSION = "customer.assign_theatre"


def assign_customer_theatre(session: ServiceSession, customer_id: UUID, owner_id: UUID) -> CustomerTheatre:
    """Let a user follow a customer for their theatre, or give what the theatre follows to them, and tell them.

    Raises Invalid UNKNOWN_OWNER, INACTIVE_OWNER or NO_THEATRE, Conflict THEATRE_HOLDS_CUSTOMER, NotFound
    CUSTOMER_NOT_FOUND, or Denied NOT_YOURS.
    """
    # The owner is locked before the customer, as in a department move, so that the two never wait for each other.
    owner = find_owner(session, owner_id)
    theatre = theatre_at(session, owner.department_path)
    customer = _lock(session, customer_id, theatre, queries.no_customer())
    if theatre is None:
        raise Invalid("NO_THEATRE", "this user belongs to no theatre: name somebody who does", field="owner")
    if theatre == theatre_at(session, customer.owner_department_path):
        message = (
            "this theatre looks after the customer itself: transfer the customer to give it to another of its people"
        )
        raise Conflict("THEATRE_HOLDS_CUSTOMER", message, field="owner")
    kept = assignments.find_theatre(session, customer.id, theatre)
    if kept is None or kept.end_time is not None:
        kept = assignments.begin(session, customer.id, theatre, owner.id, owner.department_path)
    elif kept.owner_id == owner.id:
        return kept
    else:
        former = kept.owner_id
        assignments.give(session, [kept], {kept.id: owner})
        assignments.tell_owner(session, customer, former, "THEATRE_CUSTOMER_TAKEN")
    assignments.tell_owner(session, customer, owner.id, "THEATRE_CUSTOMER_ASSIGNED")
    return kept


def end_customer_theatre(session: ServiceSession, theatre_id: UUID) -> None:
    """End that a theatre follows a customer, and tell who did so. Raises NotFound THEATRE_NOT_FOUND, or Denied
    NOT_YOURS."""
    missing = NotFound("THEATRE_NOT_FOUND", "there is no such theatre with a customer, or you may not see the customer")
    kept = session.get(CustomerTheatre, theatre_id)
    if kept is None:
        raise missing
    customer = _lock(session, kept.customer_id, kept.department_id, missing)
    session.refresh(kept)
    if kept.end_time is not None:
        raise missing
    assignments.end(session, [kept])
    assignments.tell_owner(session, customer, kept.owner_id, "THEATRE_CUSTOMER_TAKEN")


def _lock(session: ServiceSession, customer_id: UUID, theatre: UUID | None, missing: DomainError) -> Customer:
    """A customer, locked, that the permission reaches by the customer's owner or by who follows it for the theatre."""
    followed = FOLLOWERS.records(session.caller.scope(PERMISSION)).where(CustomerTheatre.department_id == theatre)
    reached = or_(queries.reach(session, PERMISSION), Customer.id.in_(followed))
    statement = select(Customer).where(Customer.id == customer_id, reached)
    customer = session.scalars(statement.with_for_update()).first()
    if customer is None:
        raise queries.refusal_of(session, PERMISSION, queries.any_customer(session, customer_id), missing)
    return customer
