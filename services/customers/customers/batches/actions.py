"""What a batch does to some hundred customers in one transaction, through the same rules as for one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid
from sqlalchemy import select

from customers import queries
from customers.batches.orders import Action, Order
from customers.holders import Held, Occasion
from customers.holding import hand_over_each, lock_held
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.owners import find_owner
from customers.pools.access import as_holder, ensure_enabled, open_pools, pool_to_enter
from customers.pools.claiming import MESSAGES
from customers.pools.precedence import Placement, no_pool_suits
from customers.usecases.assign_pool_customers import assign_customers
from customers.usecases.delete_customer import delete_customer
from customers.usecases.release_customer import ensure_owned
from customers.usecases.transfer_customers import give
from customers.usecases.update_customer import CustomerPatch
from customers.usecases.update_customers import update_customers


@dataclass
class Result:
    """What came of some customers. Those that are neither changed nor refused were as they should be."""

    changed: int = 0
    refused: dict[UUID, tuple[str, str]] = field(default_factory=dict)
    """Why not, in code and words."""

    def refuse(self, customer_id: UUID, error: DomainError) -> None:
        """Note that a customer was refused."""
        first = error.violations[0] if isinstance(error, Invalid) and error.violations else None
        reason, message = (first.reason, f"{first.field}: {first.message}") if first else (error.reason, error.message)
        self.refused[customer_id] = reason, message


def act(session: ServiceSession, order: Order, ids: Sequence[UUID]) -> Result:
    """Do what the order says to each customer that the caller may do it to."""
    result = Result()
    _ACTIONS[order.action](session, order, ids, result)
    return result


def _transfer(session: ServiceSession, order: Order, ids: Sequence[UUID], result: Result) -> None:
    assert order.owner_id is not None
    # The owner is locked before the customers, as in a department move, so that the two never wait for each other.
    owner = find_owner(session, order.owner_id)
    held = [one for one in _reached(session, order, ids, result) if one.owner_id != owner.id]
    give(session, [(one, owner) for one in held], ChangeKind.TRANSFERRED, order.note)
    result.changed = len(held)


def _assign(session: ServiceSession, order: Order, ids: Sequence[UUID], result: Result) -> None:
    assert order.owner_id is not None
    for outcome in assign_customers(session, ids, order.owner_id, order.note):
        if outcome.refusal is None:
            result.changed += 1
        else:
            result.refused[outcome.customer_id] = str(outcome.refusal), MESSAGES[outcome.refusal]


def _release(session: ServiceSession, order: Order, ids: Sequence[UUID], result: Result) -> None:
    named = pool_to_enter(session, order.pool_id) if order.pool_id is not None else None
    held = _reached(session, order, ids, result)
    placement = Placement(session, held)
    choices = {one.id: placement.choice(one) for one in held} if named is None else {}
    chosen = {pool.id for pool in choices.values() if pool is not None}
    pools = {named.pool.id: named} if named is not None else open_pools(session, chosen)
    moves = []
    for customer in held:
        try:
            ensure_owned(customer)
            pool = named or (pools[choice.id] if (choice := choices[customer.id]) is not None else None)
            if pool is None:
                raise no_pool_suits()
            ensure_enabled(pool.pool)
            moves.append((customer, as_holder(pool)))
        except DomainError as error:
            result.refuse(customer.id, error)
    hand_over_each(session, moves, Occasion(ChangeKind.RELEASED, order.reason, order.note))
    result.changed = len(moves)


def _delete(session: ServiceSession, order: Order, ids: Sequence[UUID], result: Result) -> None:
    for customer in _reached(session, order, ids, result):
        try:
            with session.begin_nested():
                delete_customer(session, customer.id)
        except DomainError as error:
            result.refuse(customer.id, error)
        else:
            result.changed += 1


def _change(session: ServiceSession, order: Order, ids: Sequence[UUID], result: Result) -> None:
    held = _reached(session, order, ids, result)
    customers = session.scalars(select(Customer).where(Customer.id.in_([one.id for one in held]))).all()
    changes = update_customers(session, customers, _PATCHES.get(order.action, _as_ordered)(order))
    result.changed = changes.changed
    for customer_id, error in changes.refused.items():
        result.refuse(customer_id, error)
    session.expunge_all()


def _reached(session: ServiceSession, order: Order, ids: Sequence[UUID], result: Result) -> list[Held]:
    """Those of the customers that the order's permission reaches, locked; the others are refused."""
    held = lock_held(session, Customer.id.in_(ids), queries.reach(session, order.permission))
    found = {one.id for one in held}
    missing = [customer_id for customer_id in ids if customer_id not in found]
    rows = {row.id: row for row in queries.rows_of(session, missing)} if missing else {}
    for customer_id in missing:
        result.refuse(customer_id, queries.refusal_of(session, order.permission, rows.get(customer_id)))
    return held


PatchOf = Callable[[Customer], CustomerPatch]


def _as_ordered(order: Order) -> PatchOf:
    return lambda customer: order.patch


def _with_tags(order: Order) -> PatchOf:
    return lambda customer: CustomerPatch({"tags": sorted({*customer.tags, *order.tags})})


def _without_tags(order: Order) -> PatchOf:
    return lambda customer: CustomerPatch({"tags": [tag for tag in customer.tags if tag not in order.tags]})


_PATCHES: Mapping[Action, Callable[[Order], PatchOf]] = {
    Action.ADD_TAGS: _with_tags,
    Action.REMOVE_TAGS: _without_tags,
}

_ACTIONS: Mapping[Action, Callable[[ServiceSession, Order, Sequence[UUID], Result], None]] = {
    Action.TRANSFER: _transfer,
    Action.ASSIGN: _assign,
    Action.RELEASE: _release,
    Action.DELETE: _delete,
    Action.ADD_TAGS: _change,
    Action.REMOVE_TAGS: _change,
    Action.UPDATE_FIELDS: _change,
}
