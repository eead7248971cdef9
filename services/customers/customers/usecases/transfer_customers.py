"""Give several customers to another owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid
from chassis.names import make_name

from customers import queries, rules
from customers.events import CustomerTransferred
from customers.holders import Held, Holder, Occasion
from customers.holding import hand_over_each, lock_held, state_after
from customers.model import ChangeKind, Customer
from customers.owners import Owner, find_owner
from customers.pools.lock_room import end_excess_locks

MOST = 500


@dataclass(frozen=True)
class TransferResult:
    """What came of one customer: what it is now, or why it was not given."""

    customer: Customer | None
    refusal: DomainError | None = None


def transfer_customers(
    session: ServiceSession, customer_ids: Sequence[UUID], owner_id: UUID, *, reason: str = ""
) -> list[TransferResult]:
    """Give customers to another owner; those that cannot be given are passed over. The results are in the order asked.

    Raises Invalid TOO_MANY_NAMES, and what `find_owner` raises.
    """
    if not 1 <= len(customer_ids) <= MOST:
        raise Invalid("TOO_MANY_NAMES", f"name from 1 to {MOST} customers", field="names")
    stored, faults = rules.apply(rules.TRANSFER_RULES, {"reason": reason})
    rules.refuse(faults)
    owner = find_owner(session, owner_id)
    found: dict[UUID, Customer] = {}
    refusals: dict[UUID, DomainError] = {}
    for customer_id in sorted(set(customer_ids)):  # in one order, so that two such calls never wait for each other
        try:
            found[customer_id] = queries.lock_customer(session, customer_id, "customer.transfer")
        except DomainError as error:
            refusals[customer_id] = error
    others = [one.id for one in found.values() if one.owner_id != owner_id]
    held = lock_held(session, Customer.id.in_(others))
    give(session, [(one, owner) for one in held], ChangeKind.TRANSFERRED, stored["reason"] or "")
    for key in others:
        session.refresh(found[key])
    return [TransferResult(found.get(key), refusals.get(key)) for key in customer_ids]


def give(session: ServiceSession, moves: Sequence[tuple[Held, Owner]], kind: ChangeKind, note: str) -> None:
    """Give customers, whose rows are locked, to owners, and announce each. Those that rules must leave alone stay so as
    far as their new owners may have so many of them."""
    holders = [(customer, Holder(owner)) for customer, owner in moves]
    events = [
        CustomerTransferred(
            customer.name,
            customer.version + 1,
            state_after(customer, to),
            make_name("users", customer.owner_id),
            note,
        )
        for customer, to in holders
    ]
    hand_over_each(session, holders, Occasion(kind, note=note), events=events)
    end_excess_locks(session, holders)
