"""Take the customers out of a pool that have waited longest."""

from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Exhausted, Invalid
from chassis.filters import is_empty
from chassis.prepared import Prepared, Sent, pipelined
from sqlalchemy import Integer, Uuid, bindparam, literal_column

from customers.days import next_day, today
from customers.holders import Held, Holder, Occasion
from customers.holding import HELD, hand_over_each
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.owners import Owner, owner_of, send_user
from customers.pools.access import OpenPool, belonging, ensure_enabled, require_member, send_pool
from customers.pools.claiming import CLAIMABLE, MESSAGES, Refusal, claimable_by
from customers.pools.conditions import registry_without
from customers.pools.quota import Quota, quota_from, send_quota
from customers.usecases.claim_customers import MAX_BATCH, claiming_user


class Sight:
    """What a claim is judged by, asked for all at once. To see it locks the caller until the transaction ends. Each
    part can be taken once."""

    _user: Sent
    _pool: Sent
    _counts: Sent

    def __init__(self, session: ServiceSession, pool_id: UUID) -> None:
        """Raises Denied for a machine."""
        self._session, self._pool_id = session, pool_id
        self._user_id, self._day = claiming_user(session), today(session)

    def send(self) -> None:
        """Ask, within a pipeline."""
        self._user = send_user(self._session, self._user_id)
        self._pool = send_pool(self._session, self._pool_id, self._day)
        self._counts = send_quota(self._session, self._user_id, self._day)

    def owner(self) -> Owner:
        """The caller. Raises Invalid as `find_owner` does."""
        return owner_of(self._session, self._user_id, self._user.first())

    def pool(self) -> OpenPool:
        """The pool. Raises NotFound if there is none, Denied for who may not claim from it."""
        pool = belonging(self._session, self._pool.first())
        require_member(pool)
        ensure_enabled(pool.pool)
        return pool

    def quota(self) -> Quota:
        """What the caller holds and has claimed."""
        return quota_from(self._counts.first())


def see(session: ServiceSession, pool_id: UUID) -> Sight:
    """Ask and wait for it."""
    sight = Sight(session, pool_id)
    with pipelined(session):
        sight.send()
    return sight


def claim_next_customers(session: ServiceSession, sight: Sight, count: int, conditions: Any) -> list[Any]:
    """Make the caller the owner of the next customers of a pool, and return them as rows.

    Customers that others are just claiming are passed over, so that many claim at once without waiting for each
    other. Fewer are claimed than asked for if a limit is near or the pool has no more. Raises Exhausted if a limit
    has been reached already.
    """
    if not 1 <= count <= MAX_BATCH:
        raise Invalid("OUT_OF_RANGE", f"claim from 1 to {MAX_BATCH} customers", field="count")
    owner, pool = sight.owner(), sight.pool()
    allowed = min(count, _left(session, pool, sight.quota()))
    customers = _next(session, pool, owner.id, allowed, conditions)
    to = Holder(owner)
    moves = [(customer, to) for customer in customers]
    return hand_over_each(session, moves, Occasion(ChangeKind.CLAIMED), returning=True)


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


_WAITING = (
    HELD.where(Customer.pool_id == bindparam("pool", type_=Uuid), CLAIMABLE)
    .order_by(Customer.pool_entry_time, Customer.id)
    .limit(bindparam("count", type_=Integer))
    .with_for_update(skip_locked=True)
)
_NEXT = Prepared(_WAITING)
_NEXT_ONE = Prepared(_WAITING.limit(literal_column("1")))
"""The same for one, which the planner then knows, so that it need not plan anew each time."""


def _next(session: ServiceSession, pool: OpenPool, user_id: UUID, count: int, conditions: Any) -> list[Held]:
    values = {"pool": pool.pool.id, "count": count, **claimable_by(user_id, pool, session.now)}
    if is_empty(conditions):
        statement = _NEXT_ONE if count == 1 else _NEXT
        return list(map(Held._make, statement.all(session, **values)))
    hidden = [] if pool.administered else pool.pool.hidden_fields
    wanted = registry_without(session, hidden).where(conditions, caller=session.caller)
    return list(map(Held._make, session.connection().execute(_WAITING.where(wanted), values)))
