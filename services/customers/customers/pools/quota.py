"""How many customers somebody may still take.

Whoever counts holds the lock of the person first, so that two claims of one person are judged one after the other,
while those of different persons go on at the same time.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.prepared import Prepared, Sent
from sqlalchemy import ColumnElement, Text, Uuid, bindparam, cast, func, literal_column, select, text

from customers.days import today
from customers.model import Customer, CustomerStatus
from customers.model.pools import ChangeKind, HoldingChange
from customers.pools.rules import PoolRules

_LOCK = Prepared(
    text("SELECT pg_advisory_xact_lock(hashtextextended('holder', 0) # hashtextextended(CAST(:user AS text), 0))")
)

_CLAIM: ColumnElement[str] = literal_column(f"'{ChangeKind.CLAIMED}'")
"""No parameter: a plan for any kind could not use the index of claims, and each claim would be planned anew."""

_CLAIMED = (
    select(cast(HoldingChange.previous_pool_id, Text).label("pool"), func.count().label("claims"))
    .where(
        HoldingChange.user_id == bindparam("user", type_=Uuid),
        HoldingChange.day == bindparam("day"),
        HoldingChange.kind == _CLAIM,
        HoldingChange.previous_pool_id.is_not(None),
    )
    .group_by(HoldingChange.previous_pool_id)
    .subquery()
)

_COUNTS = Prepared(
    select(
        func.count().label("held"),
        func.count().filter(Customer.status == CustomerStatus.WON).label("won"),
        func.count().filter(Customer.locked).label("locked"),
        select(func.jsonb_object_agg(_CLAIMED.c.pool, _CLAIMED.c.claims)).scalar_subquery().label("claimed"),
    ).where(Customer.owner_id == bindparam("user", type_=Uuid))
)


@dataclass
class Quota:
    """What a person holds and has claimed today. It is kept up to date as customers are taken."""

    held: int
    won: int
    claimed: dict[UUID, int] = field(default_factory=dict)
    """Claims of today by pool, gross: also those whose customer was released again."""

    def room(self, rules: PoolRules) -> int:
        """How many customers the person may hold besides those of now."""
        return max(0, rules.hold_limit - (self.held if rules.won_count else self.held - self.won))

    def claims_left(self, rules: PoolRules, pool_id: UUID) -> int:
        """How many claims are left today in a pool."""
        return max(0, rules.daily_claim_limit - self.claimed.get(pool_id, 0))

    def take(self, status: str, pool_id: UUID | None) -> None:
        """Count a customer that the person is given; with a pool, one that they claim from it."""
        self.held += 1
        self.won += status == CustomerStatus.WON
        if pool_id is not None:
            self.claimed[pool_id] = self.claimed.get(pool_id, 0) + 1


def quota_of(session: ServiceSession, user_id: UUID) -> Quota:
    """What a person holds and has claimed today, locked until the transaction ends."""
    return quota_from(_counts(session, user_id))


def send_quota(session: ServiceSession, user_id: UUID, day: date) -> Sent:
    """Ask for the same, for `quota_from`, within a pipeline."""
    _LOCK.send(session, user=str(user_id))
    return _COUNTS.send(session, user=user_id, day=day)


def quota_from(found: Any) -> Quota:
    """What a person holds and has claimed, from the counts."""
    return Quota(found.held, found.won, {UUID(pool): count for pool, count in (found.claimed or {}).items()})


def locked_by(session: ServiceSession, user_id: UUID) -> int:
    """How many customers a person has locked. The person is locked until the transaction ends."""
    return int(_counts(session, user_id).locked)


def _counts(session: ServiceSession, user_id: UUID) -> Any:
    # A statement of its own: what is counted must be what is there once the lock is held.
    _LOCK.write(session, user=str(user_id))
    return _COUNTS.first(session, user=user_id, day=today(session))
