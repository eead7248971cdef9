"""Customers and contacts as what is found of a person, and as what is set aside when they go."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chassis import personal_data
from chassis.db import ServiceSession
from chassis.personal_data import Finding
from sqlalchemy import select

from customers.facts import contact_snapshot, marks, snapshot
from customers.model import Contact, Customer, TimelineEntry
from customers.model.purchases import Purchase

CUSTOMER, CONTACT, PURCHASE = "customer", "contact", "purchase"
_PART = 500
"""How many entries or purchases are set aside in one record."""
Human = Customer | Contact


def finding(session: ServiceSession, human: Human) -> Finding:
    """A customer or contact that is a person."""
    values = snapshot(human) if isinstance(human, Customer) else contact_snapshot(human)
    number = human.identity_number(session.data_keys)
    return Finding(
        kind=CUSTOMER if isinstance(human, Customer) else CONTACT,
        name=human.name,
        values=values | ({"identity_number": number} if number else {}),
        marks=marks(session.data_keys, human),
    )


def entry_values(entry: TimelineEntry) -> dict[str, Any]:
    """What a timeline entry tells."""
    keys = ("kind", "source", "resource", "actor", "summary", "details", "occur_time")
    return {"customer": f"customers/{entry.customer_id}", **{key: getattr(entry, key) for key in keys}}


def purchase_values(purchase: Purchase) -> dict[str, Any]:
    """What a purchase tells."""
    keys = ("source", "external_id", "kind", "time", "amount", "currency")
    return {"customer": f"customers/{purchase.customer_id}", **{key: getattr(purchase, key) for key in keys}}


def set_aside(session: ServiceSession, human: Human) -> None:
    """Keep what a customer or contact holds that is deleted now, its timeline and purchases included: in parts, so that
    neither the process nor a row has to hold all that a customer gathered in years."""
    found, values = finding(session, human), dict[str, Any]()

    def keep(kept: Mapping[str, Any]) -> None:
        part = Finding(found.kind, found.name, kept, marks=found.marks)
        personal_data.deleted.set_aside(session, part, {human.display_name})

    if isinstance(human, Customer):
        for key, part in _gathered(session, human):
            if key in values:
                keep({key: part})
            else:
                values[key] = part
    keep({**found.values, **values})


def _gathered(session: ServiceSession, customer: Customer) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The timeline and the purchases of a customer, part by part."""
    entries = select(TimelineEntry).where(TimelineEntry.customer_id == customer.id).order_by(TimelineEntry.id)
    purchases = select(Purchase).where(Purchase.customer_id == customer.id).order_by(Purchase.id)
    for key, statement, told in (("timeline", entries, entry_values), ("purchases", purchases, purchase_values)):
        for rows in session.scalars(statement.execution_options(yield_per=_PART)).partitions():
            yield key, [told(row) for row in rows]


def set_aside_unless_held(session: ServiceSession, humans: Sequence[Human]) -> None:
    """The same for some that become one with others. Raises Conflict LEGAL_HOLD if the data of one must be kept."""
    for human in humans:
        personal_data.refuse_held(session, {human.name}, marks(session.data_keys, human))
        set_aside(session, human)
