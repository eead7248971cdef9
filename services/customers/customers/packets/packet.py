"""What this service keeps that whoever takes over a customer needs to know.

There is nothing to be made when a customer changes hands: the ledger tells how it came to its owner, and the rest is as
it is when somebody asks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.field_rules import CUSTOM, may_read
from sqlalchemy import select

from customers import queries
from customers.first_pages import first_contacts
from customers.model import HoldingChange
from customers.model.purchases import Purchase, PurchaseKind
from customers.own_fields import ENTITY
from customers.ownership import Tenure, passport
from customers.purchases.queries import may_see
from customers.quality import weights_of
from customers.rules import column

MOST = 20
"""How many records of a kind a packet holds."""
SILENCE = timedelta(days=30)
"""After how long without contact a customer is one that nobody is in touch with."""


class GapKind(StrEnum):
    """What may be missing of a customer. The names are those of `HandOverGapKind`."""

    MISSING_FIELD = "MISSING_FIELD"
    NO_CONTACT_PERSON = "NO_CONTACT_PERSON"
    NEVER_CONTACTED = "NEVER_CONTACTED"
    SILENT = "SILENT"


@dataclass(frozen=True)
class Gap:
    """Something that is missing of a customer."""

    kind: GapKind
    field: str = ""
    last_touch_time: datetime | None = None


@dataclass(frozen=True)
class Packet:
    """What whoever takes over a customer needs to know; None for what the caller may not read."""

    customer_id: UUID
    hand_over: HoldingChange | None
    """How the customer came to its owner."""
    contacts: Sequence[Any] | None
    orders: Sequence[Purchase] | None
    gaps: Sequence[Gap]
    owners: Sequence[Tenure]
    """The latest first."""


def packet(session: ServiceSession, customer_id: UUID) -> Packet:
    """The packet of a customer as of now. Raises NotFound like `get_customer`."""
    customer = queries.get_customer(session, customer_id)
    contacts = _contacts(session, customer)
    return Packet(
        customer_id=customer_id,
        hand_over=_hand_over(session, customer),
        contacts=contacts,
        orders=_orders(session, customer_id) if may_see(session, customer) else None,
        gaps=[*_gaps(session, customer, contacts)],
        owners=passport(session, customer_id).tenures[:MOST],
    )


def _hand_over(session: ServiceSession, customer: Any) -> HoldingChange | None:
    if customer.owner_id is None:
        return None
    latest = select(HoldingChange).where(HoldingChange.customer_id == customer.id)
    change = session.scalars(latest.order_by(HoldingChange.id.desc()).limit(1)).first()
    return change if change is not None and change.user_id == customer.owner_id else None


def _contacts(session: ServiceSession, customer: Any) -> Sequence[Any] | None:
    """The first contacts. None says that they are kept from the caller, as none at all would be a gap."""
    if not session.caller.granted("contact.read"):
        return None
    if not queries.REACHABLE.reaches(session, "contact.read", *queries.place_of(customer)):
        return None
    return first_contacts(session, customer, MOST).rows


def _orders(session: ServiceSession, customer_id: UUID) -> Sequence[Purchase]:
    orders = select(Purchase).where(Purchase.customer_id == customer_id, Purchase.kind == PurchaseKind.ORDER)
    return session.scalars(orders.order_by(Purchase.time.desc(), Purchase.id.desc()).limit(MOST)).all()


def _gaps(session: ServiceSession, customer: Any, contacts: Sequence[Any] | None) -> Iterator[Gap]:
    for field in weights_of(session)[customer.kind]:
        if may_read(session.caller, ENTITY, field) and not _value(customer, field):
            yield Gap(GapKind.MISSING_FIELD, field=field)
    if contacts is not None and not contacts:
        yield Gap(GapKind.NO_CONTACT_PERSON)
    last: datetime | None = customer.last_follow_up_time
    if not may_read(session.caller, ENTITY, "last_follow_up_time"):
        return
    if last is None:
        yield Gap(GapKind.NEVER_CONTACTED)
    elif session.now - last >= SILENCE:
        yield Gap(GapKind.SILENT, last_touch_time=last)


def _value(customer: Any, field: str) -> Any:
    """What a field holds that quality weights name. Zero and False are values of the company's own fields."""
    if field.startswith(CUSTOM):
        return customer.custom.get(field.removeprefix(CUSTOM)) is not None
    return getattr(customer, column(field))
