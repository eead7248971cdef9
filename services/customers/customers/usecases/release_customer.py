"""Give a customer back to a pool."""

from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.etags import check_etag

from customers import queries
from customers.holders import Held, Occasion
from customers.holding import hand_over, lock_held
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.pools.access import as_holder, pool_to_enter
from customers.pools.precedence import choose
from customers.pools.rules import note_text, reason_code


def release_customer(
    session: ServiceSession, customer_id: UUID, *, pool_id: UUID | None, reason: str, note: str, etag: str
) -> None:
    """Give a customer that the caller looks after back to a pool."""
    occasion = Occasion(ChangeKind.RELEASED, reason_code(reason), note_text(note))
    _to_pool(session, customer_id, "customer.release", pool_id, occasion, etag)


def recall_customer(
    session: ServiceSession, customer_id: UUID, *, pool_id: UUID | None, reason: str, note: str, etag: str
) -> None:
    """Take a customer from its owner, back to a pool."""
    occasion = Occasion(ChangeKind.RECALLED, reason_code(reason), note_text(note))
    _to_pool(session, customer_id, "customer.recall", pool_id, occasion, etag)


def _to_pool(
    session: ServiceSession, customer_id: UUID, permission: str, pool_id: UUID | None, occasion: Occasion, etag: str
) -> None:
    version = queries.lock_customer(session, customer_id, permission).version
    check_etag(etag, version)
    [customer] = lock_held(session, Customer.id == customer_id)
    ensure_owned(customer)
    pool = pool_to_enter(session, pool_id if pool_id is not None else choose(session, customer).id)
    hand_over(session, [customer], as_holder(pool), occasion)


def ensure_owned(customer: Held) -> None:
    """Raise Conflict for a customer that nobody looks after."""
    if customer.owner_id is None:
        raise Conflict("NO_OWNER", "nobody looks after this customer", customer=customer.name)
