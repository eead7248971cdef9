"""May somebody take a customer out of its pool? One judgement for claims, next claims and assignments."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession, UtcDateTime
from sqlalchemy import Uuid, and_, bindparam, func, select, true

from customers.holders import Held
from customers.model import Customer
from customers.model.pools import HoldingChange
from customers.pools.access import OpenPool
from customers.pools.quota import Quota
from customers.pools.rules import PoolRules


class Refusal(StrEnum):
    """Why a customer cannot be taken."""

    NOT_IN_POOL = "NOT_IN_POOL"
    NOT_A_MEMBER = "NOT_A_MEMBER"
    POOL_DISABLED = "POOL_DISABLED"
    FORMER_OWNER_WAIT = "FORMER_OWNER_WAIT"
    ENTRY_WAIT = "ENTRY_WAIT"
    DAILY_CLAIM_LIMIT_REACHED = "DAILY_CLAIM_LIMIT_REACHED"
    HOLD_LIMIT_REACHED = "HOLD_LIMIT_REACHED"


MESSAGES: Mapping[Refusal, str] = {
    Refusal.NOT_IN_POOL: "there is no such customer in a pool: somebody may have been faster",
    Refusal.NOT_A_MEMBER: "you do not belong to the customer's pool; ask one of its administrators",
    Refusal.POOL_DISABLED: "the customer's pool is disabled",
    Refusal.FORMER_OWNER_WAIT: "who owned the customer before waits for a while before claiming it again",
    Refusal.ENTRY_WAIT: "the customer has entered the pool too short a while ago",
    Refusal.DAILY_CLAIM_LIMIT_REACHED: "no claims are left today; releasing customers wins none back",
    Refusal.HOLD_LIMIT_REACHED: "as many customers are held as the pool allows: release some first",
}


@dataclass(frozen=True)
class Outcome:
    """What came of one customer in a batch."""

    customer_id: UUID
    refusal: Refusal | None = None
    retry_time: datetime | None = None
    """When it is worth trying again, if it is a question of time."""


def lost_by(session: ServiceSession, user_id: UUID, customers: Collection[UUID]) -> Mapping[UUID, datetime]:
    """When a person last lost each of the customers."""
    statement = (
        select(HoldingChange.customer_id, func.max(HoldingChange.time))
        .where(HoldingChange.customer_id.in_(customers), HoldingChange.previous_user_id == user_id)
        .group_by(HoldingChange.customer_id)
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def waits(customer: Held, open_pool: OpenPool, lost: Mapping[UUID, datetime], now: datetime) -> Outcome | None:
    """The wait that a customer's past or its entry into the pool imposes on who claims it, if any."""
    rules = open_pool.rules
    if customer.id in lost:
        until = lost[customer.id] + timedelta(days=rules.former_owner_wait_days)
        if now < until:
            return Outcome(customer.id, Refusal.FORMER_OWNER_WAIT, until)
    if customer.pool_entry_time is not None:
        until = customer.pool_entry_time + timedelta(hours=rules.entry_wait_hours)
        if now < until:
            return Outcome(customer.id, Refusal.ENTRY_WAIT, until)
    return None


def limits(
    customer: Held, rules: PoolRules, quota: Quota, *, counted: bool, next_day: datetime | None = None
) -> Outcome | None:
    """The limit that a person has reached, if any. Claims are `counted`, assignments are not."""
    if counted and customer.pool_id is not None and not quota.claims_left(rules, customer.pool_id):
        return Outcome(customer.id, Refusal.DAILY_CLAIM_LIMIT_REACHED, next_day)
    takes_room = rules.won_count or customer.status != "WON"
    if takes_room and not quota.room(rules):
        return Outcome(customer.id, Refusal.HOLD_LIMIT_REACHED)
    return None


def _unknown(parameter: str) -> Any:
    """A time that the planner does not know, so that the plan for any time is as good as one for this time."""
    return select(bindparam(parameter, type_=UtcDateTime)).scalar_subquery()


# The newest loss, not whether there EXISTS one: that the planner would hash, which reads what all people have lost.
_LOST = (
    select(func.max(HoldingChange.time))
    .where(
        HoldingChange.customer_id == Customer.id,
        HoldingChange.previous_user_id == bindparam("claimant", type_=Uuid),
    )
    .scalar_subquery()
)
CLAIMABLE = and_(
    func.coalesce(_unknown("lost_by") >= _LOST, true()),
    Customer.pool_entry_time <= _unknown("entered_by"),
)
"""The same waits as a predicate on the customers of a pool, whose parameters `claimable_by` gives."""

_NO_WAIT = datetime.max.replace(tzinfo=UTC)


def claimable_by(user_id: UUID, pool: OpenPool, now: datetime) -> dict[str, Any]:
    """Who claims, and how the pool makes them wait; its administrators it does not."""
    days, hours = pool.rules.former_owner_wait_days, pool.rules.entry_wait_hours
    return {
        "claimant": user_id,
        "lost_by": now - timedelta(days=days) if days and not pool.administered else _NO_WAIT,
        "entered_by": now - timedelta(hours=hours) if hours and not pool.administered else _NO_WAIT,
    }
