"""Record what customers bought, as other systems tell it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pycountry
from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, DomainError, Invalid
from chassis.names import make_name, new_id, parse_name
from chassis.organisation import organisation
from chassis.rules import apply, refuse, required_text
from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert

from customers.derived import children_changed
from customers.model import Customer, MergedCustomer, MergedRow
from customers.model.purchases import Purchase, PurchaseKind
from customers.own_records import CHILDREN
from customers.purchases import totals
from customers.queries import merged_into, no_customer, reach

MAX_BATCH = 500
CLOCK_TOLERANCE = timedelta(days=1)
"""How far the clock of another system may be ahead of ours."""

_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,4})?")
_RULES = {"source": partial(required_text, maximum=50), "external_id": partial(required_text, maximum=200)}
_CONTENT = ("customer_id", "kind", "time", "amount", "currency", "base_amount")


@dataclass(frozen=True)
class PurchaseDraft:
    """A purchase as another system tells it, nothing judged yet."""

    customer: str
    source: str
    external_id: str
    kind: str
    time: datetime | None
    currency: str
    amount: str
    base_amount: str


@dataclass(frozen=True)
class PurchaseOutcome:
    """What came of recording a purchase: its id, or why it was refused."""

    purchase_id: UUID | None = None
    created: bool = False
    refusal: DomainError | None = None


def record_purchases(session: ServiceSession, drafts: Sequence[PurchaseDraft]) -> list[PurchaseOutcome]:
    """Record purchases, each judged by itself. What is known by source and external id changes nothing.

    A purchase of a customer that was merged into another is that one's. A customer that the caller does not reach is
    refused like one that does not exist, and a key that came with another content before with PURCHASE_DIFFERS.
    Raises Invalid for a batch that is empty or too large.
    """
    if not 1 <= len(drafts) <= MAX_BATCH:
        raise Invalid("TOO_MANY", f"give from 1 to {MAX_BATCH} purchases", field="purchases")
    currency = organisation(session).currency
    judged = [_judged(session, draft, currency) for draft in drafts]
    rows = [one for one in judged if not isinstance(one, DomainError)]
    known = _lock(session, rows)
    moved = _settle_merged(session, [row for row in rows if row["customer_id"] not in known])
    known |= _lock(session, [row for row in rows if row["id"] in moved])
    stored = _store(session, [row for row in rows if row["customer_id"] in known], moved)
    return [
        _outcome(one if isinstance(one, DomainError) or one["customer_id"] in known else no_customer(), stored)
        for one in judged
    ]


def _lock(session: ServiceSession, rows: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """The customers of purchases that the caller reaches, locked.

    Nobody merges or deletes them meanwhile, and all lock them in one order, so that no two batches lock each other out.
    """
    wanted = {row["customer_id"] for row in rows}
    if not wanted:
        return set()
    statement = select(Customer.id).where(Customer.id.in_(wanted), reach(session, "purchase.record"))
    return set(session.scalars(statement.order_by(Customer.id).with_for_update(key_share=True)))


def _judged(session: ServiceSession, draft: PurchaseDraft, base_currency: str) -> dict[str, Any] | DomainError:
    try:
        return _row(session, draft, base_currency)
    except Invalid as refusal:
        return refusal


def _row(session: ServiceSession, draft: PurchaseDraft, base_currency: str) -> dict[str, Any]:
    stored, faults = apply(_RULES, {"source": draft.source, "external_id": draft.external_id}, str)
    refuse(faults)
    if draft.kind not in PurchaseKind.__members__:
        raise Invalid("INVALID_VALUE", f"the kind is one of {', '.join(PurchaseKind)}", field="kind")
    if draft.time is None or draft.time > session.now + CLOCK_TOLERANCE:
        raise Invalid("INVALID_TIME", "the time of the purchase is needed, and must have passed", field="time")
    if pycountry.currencies.get(alpha_3=draft.currency) is None:
        message = "the currency is an ISO 4217 code, e.g. CNY"
        raise Invalid("INVALID_CURRENCY", message, field="amount.currency_code")
    amount = _amount(draft.amount, "amount.amount")
    return {
        **stored,
        "id": new_id(),
        "customer_id": parse_name("customers", draft.customer, field="customer"),
        "kind": draft.kind,
        "time": draft.time,
        "currency": draft.currency,
        "amount": amount,
        "base_amount": _base_amount(draft, amount, base_currency),
        "recorder": session.caller.subject,
        "record_time": session.now,
    }


def _amount(value: str, path: str) -> Decimal:
    if not _AMOUNT.fullmatch(value):
        raise Invalid(
            "INVALID_AMOUNT",
            "an amount has at most 16 digits, a point and 4 more, and no sign, e.g. 1299.50",
            field=path,
        )
    return Decimal(value)


def _base_amount(draft: PurchaseDraft, amount: Decimal, base_currency: str) -> Decimal:
    if draft.currency != base_currency:
        if not draft.base_amount:
            message = f"an amount in {draft.currency} comes with what it is in {base_currency}"
            raise Invalid("REQUIRED", message, field="base_amount")
        return _amount(draft.base_amount, "base_amount")
    if draft.base_amount and _amount(draft.base_amount, "base_amount") != amount:
        message = f"both amounts are in {base_currency}, so they must be equal: leave base_amount out"
        raise Invalid("INVALID_AMOUNT", message, field="base_amount")
    return amount


def _store(
    session: ServiceSession, rows: Sequence[Mapping[str, Any]], moved: Mapping[UUID, tuple[UUID, UUID]]
) -> dict[tuple[str, str], Purchase]:
    """Add the purchases that are new, and bring up to date what follows from them. Returns all by source and external
    id."""
    if not rows:
        return {}
    ordered = sorted(rows, key=_key)
    session.execute(insert(Purchase).values(ordered).on_conflict_do_nothing(index_elements=["source", "external_id"]))
    origin = tuple_(Purchase.source, Purchase.external_id)
    found = session.scalars(select(Purchase).where(origin.in_([_key(row) for row in rows])))
    stored = {(one.source, one.external_id): one for one in found}
    made = {row["id"] for row in rows}
    new = [one for one in stored.values() if one.id in made]
    audit.record_all(session, [_change(one) for one in new])
    _note_moved(session, {one.id: moved[one.id] for one in new if one.id in moved})
    totals.add(session, [one.id for one in new])
    kinds = {CHILDREN[PurchaseKind(one.kind)] for one in new}
    children_changed(session, sorted({one.customer_id for one in new}), *sorted(kinds))
    return stored


def _settle_merged(session: ServiceSession, rows: Sequence[dict[str, Any]]) -> dict[UUID, tuple[UUID, UUID]]:
    """Give purchases of customers that were merged into others to those that they are now.

    Returns, by the id of the purchase, the merge and the customer that was meant.
    """
    wanted = {row["customer_id"] for row in rows}
    merges = dict(
        session.execute(select(MergedCustomer.id, MergedCustomer.merge_id).where(MergedCustomer.id.in_(wanted))).all()
    )
    into = {key: merged_into(session, key) for key in merges}
    moved = {
        row["id"]: (merges[row["customer_id"]], row["customer_id"]) for row in rows if row["customer_id"] in merges
    }
    for row in rows:
        row["customer_id"] = into.get(row["customer_id"], row["customer_id"])
    return moved


def _note_moved(session: ServiceSession, moved: Mapping[UUID, tuple[UUID, UUID]]) -> None:
    """Note purchases as moved by a merge, so that they go back with the rest if it is taken back."""
    rows = [
        {"merge_id": merge, "source": Purchase.__tablename__, "row_id": key, "customer_id": customer}
        for key, (merge, customer) in moved.items()
    ]
    if rows:
        session.execute(insert(MergedRow).values(rows))


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["source"], row["external_id"]


def _outcome(row: Mapping[str, Any] | DomainError, stored: Mapping[tuple[str, str], Purchase]) -> PurchaseOutcome:
    if isinstance(row, DomainError):
        return PurchaseOutcome(refusal=row)
    kept = stored[_key(row)]
    if any(getattr(kept, column) != row[column] for column in _CONTENT):
        message = "this source and external id came with other content before; record a refund or a further purchase"
        return PurchaseOutcome(refusal=Conflict("PURCHASE_DIFFERS", message, field="external_id"))
    return PurchaseOutcome(kept.id, created=kept.id == row["id"])


def _change(purchase: Purchase) -> audit.Change:
    after = {column: getattr(purchase, column) for column in ("source", "external_id", *_CONTENT[1:])}
    after["customer"] = make_name("customers", purchase.customer_id)
    return audit.Change("purchase.record", make_name("purchases", purchase.id), None, after)
