"""Give a customer to another owner."""

from uuid import UUID

from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.names import make_name

from customers import rules
from customers.events import CustomerTransferred
from customers.holding import Holder, Occasion, hand_over_each, lock_held, state_after
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.owners import find_owner
from customers.queries import lock_customer


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
    to, note = Holder(owner), stored["reason"] or ""
    event = CustomerTransferred(
        held.name, held.version + 1, state_after(held, to), make_name("users", held.owner_id), note
    )
    hand_over_each(session, [(held, to)], Occasion(ChangeKind.TRANSFERRED, note=note), events=[event])
    session.refresh(customer)
    return customer
