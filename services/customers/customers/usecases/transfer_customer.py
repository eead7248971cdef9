"""Give a customer to another owner."""

from uuid import UUID

from chassis.db import ServiceSession
from chassis.etags import check_etag

from customers import rules
from customers.holding import lock_held
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.owners import find_owner
from customers.queries import lock_customer
from customers.usecases.transfer_customers import give


def transfer_customer(
    session: ServiceSession, customer_id: UUID, owner_id: UUID, *, reason: str = "", etag: str = ""
) -> Customer:
    """Give a customer to another owner, tell the new owner, and keep it in the timeline."""
    stored, faults = rules.apply(rules.TRANSFER_RULES, {"reason": reason})
    rules.refuse(faults)
    # The owner is locked before the customer, as in a department move, so that the two never wait for each other.
    owner = find_owner(session, owner_id)
    customer = lock_customer(session, customer_id, "customer.transfer")
    check_etag(etag, customer.version)
    if customer.owner_id == owner_id:
        return customer
    [held] = lock_held(session, Customer.id == customer_id)
    give(session, [(held, owner)], ChangeKind.TRANSFERRED, stored["reason"] or "")
    session.refresh(customer)
    return customer
