"""Change many customers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import DomainError

from customers.derived import tag_by_rules
from customers.events import CustomerUpdated
from customers.facts import difference, snapshot, state
from customers.model import Customer
from customers.premises import read_premises
from customers.usecases.update_customer import CustomerPatch, apply_patch, wire_name


@dataclass
class Changes:
    """What came of changing some customers. The others were as they should be."""

    changed: int = 0
    refused: dict[UUID, DomainError] = field(default_factory=dict)


def update_customers(
    session: ServiceSession, customers: Sequence[Customer], patch_of: Callable[[Customer], CustomerPatch]
) -> Changes:
    """Change customers, which the caller has locked, each by its patch, and announce each that is another now.

    A patch must not touch what a customer is known by: nothing looks for duplicates here.
    """
    changes, premises = Changes(), read_premises(session)
    written: list[tuple[Customer, dict[str, Any], dict[str, Any]]] = []
    for customer in customers:
        before = snapshot(customer)
        try:
            apply_patch(session, customer, patch_of(customer), premises)
        except DomainError as error:  # raised before anything was set
            changes.refused[customer.id] = error
            continue
        old, new = difference(before, snapshot(customer))
        if not new:
            continue
        customer.version += 1
        customer.update_time = session.now
        written.append((customer, old, new))
    session.flush()
    tags = {customer.id: customer.tags for customer, _, _ in written}
    tag_by_rules(session, premises.tag_rules(session), [customer for customer, _, _ in written])
    for customer, old, new in written:
        if customer.tags != tags[customer.id]:
            old.setdefault("tags", tags[customer.id])
            new["tags"] = customer.tags
    audit.record_all(
        session, [audit.Change("customer.update", customer.name, old, new) for customer, old, new in written]
    )
    outbox.emit_all(session, [_updated(customer, new) for customer, _, new in written])
    changes.changed = len(written)
    return changes


def _updated(customer: Customer, new: Mapping[str, Any]) -> CustomerUpdated:
    names = sorted({wire_name(key) for key in new})
    return CustomerUpdated(customer.name, customer.version, state(customer), names)
