"""Fields of customers that are found when somebody asks for them: the level, the company's own, and what purchases say.

What purchases say is no part of the customer's record: people filter by it as far as they may see purchases.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from chassis.custom_filters import dynamic_field
from chassis.db import ServiceSession
from chassis.filters import Field, FieldKind
from sqlalchemy import ColumnElement, case, func, select

from customers.model import Customer
from customers.model.purchases import PurchaseTotal, RfmScore
from customers.own_fields import ENTITY
from customers.purchases.rfm import SEGMENT_CODES, TYPE_CODES, newest_run
from customers.tiers.stages import Stages, total_of
from customers.tiers.vocabulary import known_codes

_CUSTOMER = Customer.__table__.c
_BY_KEY = "pk_purchase_total: narrows what another condition has found"
_BY_SCORE = "pk_rfm_score: narrows what another condition has found"
_NARROWS = "none: narrows what another condition has found"
_Column = Callable[[ServiceSession], ColumnElement[Any]]


def record_field(session: ServiceSession, name: str) -> Field | None:
    """A field that is part of the record: the level, whose values are the company's tiers, or one of its own."""
    if name == "level":
        return Field("level", FieldKind.ENUM, Customer.level, choices=known_codes(session), index=_NARROWS)
    return dynamic_field(session, ENTITY, name, Customer.custom)


def insight_field(session: ServiceSession, name: str, seen: ColumnElement[bool] | None = None) -> Field | None:
    """What purchases and scores say of a customer. Customers that are not `seen` have no value."""
    known = _FIELDS.get(name)
    if known is None:
        return None
    kind, column, choices, index = known
    expression = column(session)
    return Field(name, kind, expression if seen is None else case((seen, expression)), choices=choices, index=index)


def is_insight(name: str) -> bool:
    """Whether a field is one of what purchases and scores say."""
    return name in _FIELDS


def rule_field(session: ServiceSession, name: str) -> Field | None:
    """Any of these fields, for conditions that are judged whoever asks; also since when nobody has followed up."""
    if name == "days_since_follow_up":
        days = Stages(session).days_since(_CUSTOMER.last_effective_follow_up_time)
        return Field(name, FieldKind.NUMBER, days, index=_NARROWS)
    return record_field(session, name) or insight_field(session, name)


def _total(column: Any, otherwise: Any = None) -> _Column:
    def build(session: ServiceSession) -> ColumnElement[Any]:
        found = total_of(column)
        return found if otherwise is None else func.coalesce(found, otherwise, type_=found.type)

    return build


def _score(column: Any) -> _Column:
    """A value of the newest analysis."""

    def build(session: ServiceSession) -> ColumnElement[Any]:
        newest = newest_run().scalar_subquery()
        wanted = select(column).where(RfmScore.run_id == newest, RfmScore.customer_id == _CUSTOMER.id)
        return wanted.correlate(Customer.__table__).scalar_subquery()

    return build


def _days_since_purchase(session: ServiceSession) -> ColumnElement[Any]:
    return Stages(session).days_since(total_of(PurchaseTotal.last_time))


_NUMBER, _TIME, _ENUM = FieldKind.NUMBER, FieldKind.TIME, FieldKind.ENUM
_FIELDS: Mapping[str, tuple[FieldKind, _Column, tuple[str, ...], str]] = {
    "order_count": (_NUMBER, _total(PurchaseTotal.order_count, 0), (), _BY_KEY),
    "ordered_amount": (_NUMBER, _total(PurchaseTotal.ordered, Decimal(0)), (), _BY_KEY),
    "payment_count": (_NUMBER, _total(PurchaseTotal.payment_count, 0), (), _BY_KEY),
    "paid_amount": (_NUMBER, _total(PurchaseTotal.paid, Decimal(0)), (), _BY_KEY),
    "refunded_amount": (_NUMBER, _total(PurchaseTotal.refunded, Decimal(0)), (), _BY_KEY),
    "first_purchase_time": (_TIME, _total(PurchaseTotal.first_time), (), _BY_KEY),
    "last_purchase_time": (_TIME, _total(PurchaseTotal.last_time), (), _BY_KEY),
    "days_since_purchase": (_NUMBER, _days_since_purchase, (), _BY_KEY),
    "rfm_recency": (_NUMBER, _score(RfmScore.r), (), _BY_SCORE),
    "rfm_frequency": (_NUMBER, _score(RfmScore.f), (), _BY_SCORE),
    "rfm_monetary": (_NUMBER, _score(RfmScore.m), (), _BY_SCORE),
    "rfm_segment": (_ENUM, _score(RfmScore.segment), SEGMENT_CODES, _BY_SCORE),
    "rfm_type": (_ENUM, _score(RfmScore.type), TYPE_CODES, _BY_SCORE),
}
"""By name: what the values are, the expression over the table of customers, the choices, and the index that serves it.
Amounts are in the organisation's currency, days those of its calendar."""
