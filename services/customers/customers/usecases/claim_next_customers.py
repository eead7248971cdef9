"""Take the customers out of a pool that have waited longest."""

from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Exhausted, Invalid
from sqlalchemy import ColumnElement, true

from customers.days import next_day
from customers.holding import HELD, Held, Holder, Occasion, hand_over
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.pools.access import OpenPool, ensure_enabled, pool_of_member, require_member
from customers.pools.claiming import MESSAGES, Refusal, claimable
from customers.pools.conditions import registry_without
from customers.pools.quota import Quota, quota_of
from customers.usecases.claim_customers import MAX_BATCH, claimant


def claim_next_customers(session: ServiceSession, pool_id: UUID, count: int, conditions: Any) -> list[UUID]:
    """Make the caller the owner of the next customers of a pool, and return their ids.

    Customers that others are just claiming are passed over, so that many claim at once without waiting for each
    other. Fewer are claimed than asked for if a limit is near or the pool has no more. Raises Exhausted if a limit
    has been reached already.
    """
    if not 1 <= count <= MAX_BATCH:
        raise Invalid("OUT_OF_RANGE", f"claim from 1 to {MAX_BATCH} customers", field="count")
    owner = claimant(session)
    pool = pool_of_member(session, pool_id)
    require_member(pool)
    ensure_enabled(pool.pool)
    quota = quota_of(session, owner.id)
    allowed = min(count, _left(session, pool, quota))
    hidden = [] if pool.administered else pool.pool.hidden_fields
    wanted = registry_without(session, hidden).where(conditions, caller=session.caller)
    customers = _next(session, pool, owner.id, allowed, wanted)
    hand_over(session, customers, Holder(owner), Occasion(ChangeKind.CLAIMED))
    return [customer.id for customer in customers]


def _left(session: ServiceSession, pool: OpenPool, quota: Quota) -> int:
    """How many customers the caller may still take. Raises Exhausted if none."""
    room = quota.room(pool.rules)
    claims = MAX_BATCH if pool.administered else quota.claims_left(pool.rules, pool.pool.id)
    if not claims:
        refusal = Refusal.DAILY_CLAIM_LIMIT_REACHED
        raise Exhausted(refusal, MESSAGES[refusal], retry_time=next_day(session).isoformat())
    if not room:
        raise Exhausted(Refusal.HOLD_LIMIT_REACHED, MESSAGES[Refusal.HOLD_LIMIT_REACHED])
    return min(room, claims)


def _next(
    session: ServiceSession, pool: OpenPool, user_id: UUID, count: int, wanted: ColumnElement[bool]
) -> list[Held]:
    free = true() if pool.administered else claimable(user_id, pool.rules, session.now)
    statement = (
        HELD.where(Customer.pool_id == pool.pool.id, free, wanted)
        .order_by(Customer.pool_entry_time, Customer.id)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    return [Held._make(row) for row in session.connection().execute(statement)]
