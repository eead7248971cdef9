"""Lock a customer, so that no rule takes it from its owner."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, Exhausted
from chassis.etags import check_etag

from customers import queries
from customers.holding import lock_held
from customers.model import Customer
from customers.pools.lock_room import lock_limits
from customers.pools.quota import locked_by


def lock_customer(session: ServiceSession, customer_id: UUID, *, locked: bool, etag: str) -> None:
    """Lock or unlock a customer. How many its owner may lock is told by the pool that it would fall into."""
    customer = queries.lock_customer(session, customer_id, "customer.lock")
    check_etag(etag, customer.version)
    if customer.locked == locked:
        return
    if customer.owner_id is None:
        raise Conflict("NO_OWNER", "nobody looks after this customer", customer=customer.name)
    if locked:
        _ensure_room(session, customer)
    customer.locked = locked
    customer.version += 1
    customer.update_time = session.now
    session.flush()
    audit.record(session, "customer.lock", customer.name, {"locked": not locked}, {"locked": locked})


def _ensure_room(session: ServiceSession, customer: Customer) -> None:
    assert customer.owner_id is not None
    count = locked_by(session, customer.owner_id)
    limit = lock_limits(session, lock_held(session, Customer.id == customer.id))[customer.id]
    if count >= limit:
        raise Exhausted("LOCK_LIMIT_REACHED", f"{count} customers are locked, of {limit} that may be: unlock one first")
