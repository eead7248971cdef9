"""Give customers of pools to somebody."""

from collections.abc import Sequence
from uuid import UUID

from chassis.db import ServiceSession

from customers.holders import Held, Holder, Occasion
from customers.holding import hand_over, lock_held
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.owners import find_owner
from customers.pools.access import OpenPool, open_pools
from customers.pools.claiming import Outcome, Refusal, limits
from customers.pools.quota import Quota, quota_of
from customers.pools.rules import note_text
from customers.usecases.claim_customers import check_batch


def assign_pool_customers(session: ServiceSession, ids: Sequence[UUID], owner_id: UUID, note: str) -> list[Outcome]:
    """Make somebody the owner of customers in pools that the caller administers. Each is judged by itself.

    Waits do not hold for assignments, and they do not count as claims; what the person may hold does.
    """
    check_batch(ids)
    return assign_customers(session, ids, owner_id, note_text(note))


def assign_customers(session: ServiceSession, ids: Sequence[UUID], owner_id: UUID, note: str) -> list[Outcome]:
    """The same for any number of customers, each named once, and a note that is known to be good."""
    owner = find_owner(session, owner_id)
    quota = quota_of(session, owner.id)
    found = {customer.id: customer for customer in lock_held(session, Customer.id.in_(ids))}
    pools = open_pools(session, {one.pool_id for one in found.values() if one.pool_id})
    outcomes = []
    for customer_id in ids:
        customer = found.get(customer_id)
        outcome = judge(
            customer_id, customer, pools.get(customer.pool_id) if customer and customer.pool_id else None, quota
        )
        outcomes.append(outcome)
        if customer is not None and outcome.refusal is None:
            quota.take(customer.status, None)
    given = [found[one.customer_id] for one in outcomes if one.refusal is None]
    hand_over(session, given, Holder(owner), Occasion(ChangeKind.ASSIGNED, note=note))
    return outcomes


def judge(customer_id: UUID, customer: Held | None, pool: OpenPool | None, quota: Quota) -> Outcome:
    """Whether an administrator may give a customer to the person whose quota this is."""
    refused = administrable(customer_id, customer, pool)
    if refused is None and customer is not None and pool is not None:
        refused = limits(customer, pool.rules, quota, counted=False)
    return refused or Outcome(customer_id)


def administrable(customer_id: UUID, customer: Held | None, pool: OpenPool | None) -> Outcome | None:
    """Why the caller cannot give a customer away, if so."""
    if customer is None or pool is None:
        return Outcome(customer_id, Refusal.NOT_IN_POOL)
    if not pool.administered:
        return Outcome(customer_id, Refusal.NOT_A_MEMBER)
    return Outcome(customer_id, Refusal.POOL_DISABLED) if pool.pool.disabled else None
