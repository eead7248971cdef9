"""How an allocation goes: plan who gets which customer, give them part by part, and settle what is owed.

The plan is made once. What changes until a customer's turn comes, such as a claim by somebody else, is found then, on
locked rows: that customer stays where it is, and what is owed is reckoned from what was given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from chassis import audit, notifications
from chassis.columns import among
from chassis.copying import text_array, uuid_array
from chassis.db import ServiceSession
from chassis.errors import Conflict, DomainError
from chassis.filters import filter_from_json
from chassis.jobs import JobState
from chassis.names import make_name
from sqlalchemy import Numeric, Select, Text, bindparam, cast, func, literal, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from customers.holders import Held, Holder, Occasion
from customers.holding import hand_over_each, lock_named
from customers.model import Customer, CustomerStatus, KnownUser
from customers.model.allocations import PoolAllocation, PoolAllocationItem, PoolAllocationSetting, PoolFairness
from customers.model.pools import ChangeKind, Pool
from customers.owners import find_owner
from customers.pools.access import OpenPool, ensure_enabled, open_pools
from customers.pools.allocation_order import Order, Strategy
from customers.pools.claiming import limits
from customers.pools.conditions import registry_without
from customers.pools.fairness import MILLIONTHS, apportion, deal_by_value, deal_evenly
from customers.pools.quota import Quota, quota_of
from customers.pools.rules import PoolRules
from customers.pools.shares import AllocationShare, Received, settled

PART = 5_000
"""Customers given in one transaction."""
IN_A_ROW = 1_000
"""So many a receiver gets before it is the next one's turn, in large allocations: what people hold is counted anew for
each part, so that a part should concern few of them."""


class Candidate(NamedTuple):
    """A customer that is to be given away."""

    id: UUID
    value: int
    """In millionths."""


def find_pool(session: ServiceSession, allocation: PoolAllocation) -> OpenPool:
    """The pool of an allocation. Raises Conflict POOL_GONE, or Denied POOL_DISABLED."""
    found = open_pools(session, [allocation.pool_id]).get(allocation.pool_id)
    if found is None:
        raise Conflict("POOL_GONE", "the pool has been deleted meanwhile: its customers are elsewhere")
    ensure_enabled(found.pool)
    return found


def plan(session: ServiceSession, allocation: PoolAllocation) -> None:
    """Decide who gets which customer. Raises Conflict NO_RECEIVERS if nobody can get any."""
    order = Order.from_json(allocation.options)
    pool = find_pool(session, allocation)
    customers = candidates(session, allocation.pool_id, order)
    shares = _receivers(session, pool, order)
    part = [share for share in shares if not share.skipped]
    if not part:
        raise Conflict("NO_RECEIVERS", "nobody named is present and may hold more customers: name others")
    rng = Random(allocation.seed)  # noqa: S311 - chance that can be drawn again, not a secret
    receivers = [share.receiver for share in part]
    dealt = apportion(len(customers), receivers, rng)
    given = sorted(customers[: sum(one.count for one in dealt)], key=lambda one: one.id.int)
    values = [one.value for one in given]
    if allocation.strategy == Strategy.BY_VALUE:
        places = deal_by_value(values, dealt, receivers, rng)
    else:
        places = deal_evenly(dealt, rng)
    chosen = {one.id: part[place].user_id for one, place in zip(given, places, strict=True)}
    _list(session, allocation, customers, chosen, missing=set(order.customer_ids) - {one.id for one in customers})
    entitled = {share.user_id: one.entitled for share, one in zip(part, dealt, strict=True)}
    with_parts = [replace(share, entitled=entitled.get(share.user_id, Fraction(0))) for share in shares]
    _show(allocation, with_parts, _planned(given, chosen))
    allocation.state = JobState.RUNNING


def candidates(session: ServiceSession, pool_id: UUID, order: Order) -> list[Candidate]:
    """The customers of the pool that are to be given, those that entered first first."""
    condition = filter_from_json(order.condition or {})
    statement = (
        select(Customer.id, _value(session, pool_id))
        .where(
            Customer.pool_id == pool_id,
            registry_without(session, ()).where(condition, caller=session.caller),
            Customer.id.in_(order.customer_ids) if order.customer_ids else true(),
        )
        .order_by(Customer.pool_entry_time, Customer.id)
        .limit(order.most)
    )
    rows = session.connection().execute(statement).all()
    return [Candidate(key, max(0, int(value * MILLIONTHS))) for key, value in rows]


def _value(session: ServiceSession, pool_id: UUID) -> Any:
    setting = session.get(PoolAllocationSetting, pool_id)
    if setting is None or not setting.value_field:
        return literal(Decimal(1), Numeric)
    stored = Customer.custom.op("->>")(setting.value_field.partition(".")[2])
    return func.coalesce(cast(cast(stored, Text), Numeric), Decimal(1))


_HELD = (
    select(Customer.owner_id, func.count(), func.count().filter(Customer.status == CustomerStatus.WON))
    .where(Customer.owner_id.in_(bindparam("users", expanding=True)))
    .group_by(Customer.owner_id)
)


def _receivers(session: ServiceSession, pool: OpenPool, order: Order) -> list[AllocationShare]:
    """The receivers by id, with what they may hold and what they are owed, or why they are passed over."""
    users = [one.user_id for one in order.receivers]
    known_users = session.execute(select(KnownUser.id, KnownUser.active).where(KnownUser.id.in_(users)))
    active = {row[0]: row[1] for row in known_users}
    held = {row[0]: Quota(row[1], row[2]) for row in session.execute(_HELD, {"users": users})}
    debts = {row.user_id: row for row in session.scalars(_debts(pool.pool.id, users))}
    shares = []
    for one in sorted(order.receivers, key=lambda one: one.user_id):
        debt = debts.get(one.user_id)
        count_debt = Fraction(debt.count_debt) if debt else Fraction(0)
        value_debt = int(debt.value_debt * MILLIONTHS) if debt else 0
        room = held.get(one.user_id, Quota(0, 0)).room(pool.rules)
        known = active.get(one.user_id)
        skipped = _skipped(absent=one.absent, known=known, room=room)
        shares.append(
            AllocationShare(
                one.user_id,
                one.weight,
                skipped,
                room,
                count_debt_before=count_debt,
                count_debt=count_debt,
                value_debt_before=value_debt,
                value_debt=value_debt,
            )
        )
    return shares


def _debts(pool_id: UUID, users: Sequence[UUID]) -> Select[Any]:
    return select(PoolFairness).where(PoolFairness.pool_id == pool_id, PoolFairness.user_id.in_(users))


def _skipped(*, absent: bool, known: bool | None, room: int) -> str:
    if absent:
        return "ABSENT"
    if known is None:
        return "UNKNOWN_OWNER"
    if not known:
        return "INACTIVE_OWNER"
    return "" if room else "HOLD_LIMIT_REACHED"


def _planned(given: Sequence[Candidate], chosen: Mapping[UUID, UUID]) -> dict[UUID, Received]:
    counts: dict[UUID, list[int]] = {}
    for one in given:
        total = counts.setdefault(chosen[one.id], [0, 0])
        total[0] += 1
        total[1] += one.value
    return {user: Received(*total) for user, total in counts.items()}


_LIST = text(
    """
    INSERT INTO pool_allocation_item (allocation_id, number, customer_id, user_id, value, reason)
    SELECT :allocation, number, customer_id, user_id, value / 1000000.0, reason
    FROM unnest(CAST(:customers AS uuid[]), CAST(:users AS uuid[]), CAST(:values AS numeric[]),
                CAST(:reasons AS text[]))
      WITH ORDINALITY AS item (customer_id, user_id, value, reason, number)
    """
)


def _list(
    session: ServiceSession,
    allocation: PoolAllocation,
    customers: Sequence[Candidate],
    chosen: Mapping[UUID, UUID],
    *,
    missing: set[UUID],
) -> None:
    left = [(one, "HOLD_LIMIT_REACHED") for one in customers if one.id not in chosen]
    left += [(Candidate(one, 0), "NOT_IN_POOL") for one in sorted(missing)]
    rows = [*((one, "") for one in _in_turns(customers, chosen)), *left]
    session.execute(
        _LIST,
        {
            "allocation": allocation.id,
            "customers": uuid_array(one.id for one, _ in rows),
            "users": uuid_array(chosen.get(one.id) for one, _ in rows),
            "values": text_array(str(one.value) for one, _ in rows),
            "reasons": text_array(reason for _, reason in rows),
        },
    )
    allocation.total = len(rows)


def _in_turns(customers: Sequence[Candidate], chosen: Mapping[UUID, UUID]) -> list[Candidate]:
    """The customers that are given, each receiver's in their order, the receivers taking turns."""
    had: dict[UUID, list[Candidate]] = {}
    for one in customers:
        if one.id in chosen:
            had.setdefault(chosen[one.id], []).append(one)
    longest = max(map(len, had.values()), default=0)
    turns = (theirs[at : at + IN_A_ROW] for at in range(0, longest, IN_A_ROW) for theirs in had.values())
    return [one for turn in turns for one in turn]


def give_some(session: ServiceSession, allocation: PoolAllocation) -> bool:
    """Give the next customers away. Says whether there were any."""
    item = PoolAllocationItem.__table__.c
    end = allocation.processed + PART
    statement = select(item.number, item.customer_id, item.user_id).where(
        item.allocation_id == allocation.id, item.number > allocation.processed, item.number <= end
    )
    rows = session.connection().execute(statement.order_by(item.number)).all()
    if not rows:
        return False
    pool = find_pool(session, allocation)
    wanted = [row for row in rows if row.user_id is not None]
    # People are locked before customers, and each in one order, so that no two transactions wait for each other.
    takers = {user: _taker(session, user) for user in sorted({row.user_id for row in wanted})}
    found = {one.id: one for one in lock_named(session, [row.customer_id for row in wanted])}
    moves, refused = [], {}
    for row in wanted:
        outcome = _judge(found.get(row.customer_id), takers[row.user_id], pool.pool.id, pool.rules)
        if isinstance(outcome, str):
            refused[row.number] = outcome
        else:
            moves.append(outcome)
    occasion = Occasion(ChangeKind.ASSIGNED, note=allocation.note, rule=allocation.name)
    hand_over_each(session, moves, occasion, notify=False)
    for reason in set(refused.values()):
        numbers = [number for number, why in refused.items() if why == reason]
        session.execute(
            update(PoolAllocationItem)
            .where(PoolAllocationItem.allocation_id == allocation.id, among(PoolAllocationItem.number, numbers))
            .values(reason=reason)
        )
    allocation.processed += len(rows)
    return True


_Taker = tuple[Holder, Quota] | str


def _taker(session: ServiceSession, user_id: UUID) -> _Taker:
    """Somebody who takes customers, or why they cannot."""
    try:
        return Holder(find_owner(session, user_id)), quota_of(session, user_id)
    except DomainError as error:
        return error.reason


def _judge(customer: Held | None, taker: _Taker, pool_id: UUID, rules: PoolRules) -> tuple[Held, Holder] | str:
    """The move of a customer, or why it stays where it is."""
    if customer is None or customer.pool_id != pool_id:
        return "NOT_IN_POOL"
    if isinstance(taker, str):
        return taker
    holder, quota = taker
    refused = limits(customer, rules, quota, counted=False)
    if refused is not None and refused.refusal is not None:
        return refused.refusal
    quota.take(customer.status, None)
    return customer, holder


def settle(session: ServiceSession, allocation: PoolAllocation, state: JobState) -> None:
    """End an allocation: reckon what was received and what is owed from now on, and tell the receivers."""
    item = PoolAllocationItem
    done = true() if allocation.dry_run else item.number <= allocation.processed
    statement = (
        select(item.user_id, func.count(), func.sum(item.value))
        .where(item.allocation_id == allocation.id, item.reason == "", done)
        .group_by(item.user_id)
    )
    received: dict[UUID, Received] = {
        user_id: Received(count, int(value * MILLIONTHS))
        for user_id, count, value in session.connection().execute(statement)
        if user_id is not None
    }
    before = [AllocationShare.from_json(one) for one in allocation.shares]
    shares = _show(allocation, before, received)
    allocation.state, allocation.end_time = state, session.now
    if allocation.dry_run:
        return
    _keep_debts(session, allocation, [share for share in shares if not share.skipped])
    for user_id, got in received.items():
        params = {"count": str(got.count), "actor": allocation.creator}
        notifications.notify(session, user_id, "CUSTOMERS_ASSIGNED", "", params)
    after = {"allocation": allocation.name, "strategy": allocation.strategy, "seed": allocation.seed}
    audit.record(
        session,
        "pool.allocate",
        make_name("pools", allocation.pool_id),
        None,
        after | {"state": state, "total": allocation.total, "given": allocation.given},
    )


def _show(
    allocation: PoolAllocation, shares: Sequence[AllocationShare], received: Mapping[UUID, Received]
) -> list[AllocationShare]:
    known = settled(shares, received, by_value=allocation.strategy == Strategy.BY_VALUE)
    allocation.shares = [share.to_json() for share in known]
    allocation.given = sum(share.count for share in known)
    return known


def _keep_debts(session: ServiceSession, allocation: PoolAllocation, shares: Sequence[AllocationShare]) -> None:
    if session.get(Pool, allocation.pool_id) is None:  # deleted meanwhile, and what it owed with it
        return
    rows = [
        {
            "pool_id": allocation.pool_id,
            "user_id": share.user_id,
            "count_debt": _decimal(share.count_debt),
            "value_debt": Decimal(share.value_debt) / MILLIONTHS,
            "update_time": session.now,
        }
        for share in shares
    ]
    if not rows:
        return
    statement = insert(PoolFairness)
    changed = {name: statement.excluded[name] for name in ("count_debt", "value_debt", "update_time")}
    session.execute(statement.on_conflict_do_update(index_elements=["pool_id", "user_id"], set_=changed), rows)


def _decimal(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(Decimal("1e-9"))
