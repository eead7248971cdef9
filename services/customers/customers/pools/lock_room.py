"""How many customers a person may keep from the rules, and what becomes of locks that go beyond it."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from sqlalchemy import update

from customers.holders import Held, Move
from customers.holding import lock_held
from customers.model import Customer
from customers.pools.access import rules_today
from customers.pools.precedence import Placement
from customers.pools.quota import locked_by
from customers.pools.rules import PoolRules


def lock_limits(session: ServiceSession, customers: Sequence[Held]) -> Mapping[UUID, int]:
    """How many customers the owner of each may have locked: by the rules of the pool that it would fall into."""
    placement = Placement(session, customers)
    pools = {customer.id: placement.choice(customer) for customer in customers}
    rules = rules_today(session, {pool.id for pool in pools.values() if pool is not None})
    usual = PoolRules().lock_limit
    return {key: rules[pool.id][0].lock_limit if pool is not None else usual for key, pool in pools.items()}


def end_excess_locks(session: ServiceSession, moves: Sequence[Move]) -> None:
    """End the locks that came along to owners who may not lock so many: of what they were given, the last by id."""
    given: dict[UUID, set[UUID]] = {}
    for customer, to in moves:
        if customer.locked and to.owner is not None:
            given.setdefault(to.owner.id, set()).add(customer.id)
    for owner_id in sorted(given):
        _end_excess(session, owner_id, given[owner_id])


def _end_excess(session: ServiceSession, owner_id: UUID, customer_ids: Collection[UUID]) -> None:
    customers = lock_held(session, Customer.id.in_(customer_ids))
    limits, count = lock_limits(session, customers), locked_by(session, owner_id)
    ended = []
    for customer in reversed(customers):
        if count > limits[customer.id]:
            ended.append(customer)
            count -= 1
    if not ended:
        return
    statement = update(Customer).where(Customer.id.in_([customer.id for customer in ended])).values(locked=False)
    session.execute(statement.execution_options(synchronize_session=False))
    audit.record_all(
        session,
        [audit.Change("customer.lock", one.name, {"locked": True}, {"locked": False}) for one in ended],
    )
