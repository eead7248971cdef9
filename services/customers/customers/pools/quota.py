"""How many customers somebody may still take.

Whoever counts holds the lock of the person first, so that two claims of one person are judged one after the other,
while those of different persons go on at the same time.
"""

from dataclasses import dataclass, field
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import Uuid, bindparam, func, select, text

from customers.days import today
from customers.model import Customer, CustomerStatus
from customers.model.pools import ChangeKind, HoldingChange
from customers.pools.rules import PoolRules

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('holder', 0) # hashtextextended(CAST(:user AS text), 0))")

_HELD = select(
    func.count(), func.count().filter(Customer.status == CustomerStatus.WON), func.count().filter(Customer.locked)
).where(Customer.owner_id == bindparam("user", type_=Uuid))

_CLAIMED = (
    select(HoldingChange.previous_pool_id, func.count())
    .where(
        HoldingChange.user_id == bindparam("user", type_=Uuid),
        HoldingChange.day == bindparam("day"),
        HoldingChange.kind == ChangeKind.CLAIMED.value,
    )
    .group_by(HoldingChange.previous_pool_id)
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
    connection = session.connection()
    connection.execute(_LOCK, {"user": str(user_id)})
    held, won, _ = connection.execute(_HELD, {"user": user_id}).one()
    claimed = connection.execute(_CLAIMED, {"user": user_id, "day": today(session)})
    return Quota(held, won, {pool: count for pool, count in claimed if pool is not None})


def locked_by(session: ServiceSession, user_id: UUID) -> int:
    """How many customers a person has locked. The person is locked until the transaction ends."""
    session.connection().execute(_LOCK, {"user": str(user_id)})
    return int(session.connection().execute(_HELD, {"user": user_id}).one()[2])
