"""Move customers from one pool to another."""

from collections.abc import Sequence
from uuid import UUID

from chassis.db import ServiceSession

from customers.holders import Occasion
from customers.holding import hand_over, lock_held
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.pools.access import as_holder, open_pools, pool_to_enter, require_administrator
from customers.pools.claiming import Outcome
from customers.pools.rules import note_text
from customers.usecases.assign_pool_customers import administrable
from customers.usecases.claim_customers import check_batch


def move_pool_customers(session: ServiceSession, ids: Sequence[UUID], pool_id: UUID, note: str) -> list[Outcome]:
    """Move customers to a pool, from others: the caller administers all of them. Each is judged by itself."""
    check_batch(ids)
    text = note_text(note)
    target = pool_to_enter(session, pool_id)
    require_administrator(target)
    found = {customer.id: customer for customer in lock_held(session, Customer.id.in_(ids))}
    pools = open_pools(session, {one.pool_id for one in found.values() if one.pool_id})
    outcomes = []
    for customer_id in ids:
        customer = found.get(customer_id)
        pool = pools.get(customer.pool_id) if customer and customer.pool_id else None
        outcomes.append(administrable(customer_id, customer, pool) or Outcome(customer_id))
    moved = [found[one.customer_id] for one in outcomes if one.refusal is None]
    moved = [customer for customer in moved if customer.pool_id != pool_id]
    hand_over(session, moved, as_holder(target), Occasion(ChangeKind.MOVED, note=text))
    return outcomes
