"""Take customers out of their pools."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Denied, Invalid

from customers.days import next_day
from customers.holders import Held, Holder, Occasion
from customers.holding import hand_over, lock_held
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.owners import Owner, find_owner
from customers.pools.access import OpenPool, open_pools
from customers.pools.claiming import Outcome, Refusal, limits, lost_by, waits
from customers.pools.quota import Quota, quota_of

MAX_BATCH = 100


def claim_customers(session: ServiceSession, ids: Sequence[UUID]) -> list[Outcome]:
    """Make the caller the owner of customers in pools. Each is judged by itself, in the order given."""
    check_batch(ids)
    owner = claimant(session)
    quota = quota_of(session, owner.id)
    found = {customer.id: customer for customer in lock_held(session, Customer.id.in_(ids))}
    judge = _Judge(session, owner, quota, found)
    outcomes = [judge.outcome(customer_id) for customer_id in ids]
    taken = [found[one.customer_id] for one in outcomes if one.refusal is None]
    hand_over(session, taken, Holder(owner), Occasion(ChangeKind.CLAIMED))
    return outcomes


def check_batch(ids: Sequence[UUID]) -> None:
    """Raise Invalid for a batch that is empty, too large or names a customer twice."""
    if not 1 <= len(ids) <= MAX_BATCH:
        raise Invalid("TOO_MANY_NAMES", f"name from 1 to {MAX_BATCH} customers", field="names")
    if len(set(ids)) < len(ids):
        raise Invalid("DUPLICATE_NAMES", "name each customer once", field="names")


def claimant(session: ServiceSession) -> Owner:
    """The caller as an owner. Raises Denied for a machine."""
    return find_owner(session, claiming_user(session))


def claiming_user(session: ServiceSession) -> UUID:
    """The user that the caller is. Raises Denied for a machine."""
    if session.caller.user_id is None:
        raise Denied("USERS_ONLY", "only people claim customers; sign in as a person")
    return session.caller.user_id


class _Judge:
    """Judges claims one after the other, each by what the ones before have left."""

    def __init__(self, session: ServiceSession, owner: Owner, quota: Quota, found: Mapping[UUID, Held]) -> None:
        self._now, self._next_day = session.now, next_day(session)
        self._quota, self._found = quota, found
        self._pools: Mapping[UUID, OpenPool] = open_pools(
            session, {one.pool_id for one in found.values() if one.pool_id}
        )
        self._lost: Mapping[UUID, datetime] = lost_by(session, owner.id, list(found))

    def outcome(self, customer_id: UUID) -> Outcome:
        customer = self._found.get(customer_id)
        # What is in no pool is told apart from what is not there only to those who may see it.
        if customer is None or customer.pool_id is None:
            return Outcome(customer_id, Refusal.NOT_IN_POOL)
        pool = self._pools[customer.pool_id]
        refused = self._refused(customer, pool)
        if refused is None:
            self._quota.take(customer.status, customer.pool_id)
        return refused or Outcome(customer_id)

    def _refused(self, customer: Held, pool: OpenPool) -> Outcome | None:
        if pool.role is None:
            return Outcome(customer.id, Refusal.NOT_A_MEMBER)
        if pool.pool.disabled:
            return Outcome(customer.id, Refusal.POOL_DISABLED)
        if not pool.administered and (wait := waits(customer, pool, self._lost, self._now)):
            return wait
        return limits(customer, pool.rules, self._quota, counted=not pool.administered, next_day=self._next_day)
