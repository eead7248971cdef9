"""The company's own fields of customers and contacts: what they may refer to, be reckoned from, and roll up."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.custom_entities import Children, Existing, Records
from chassis.custom_filters import dynamic_field
from chassis.custom_records import Judge
from chassis.custom_values import FieldType
from chassis.db import ServiceSession
from chassis.errors import Invalid, Violation
from chassis.filters import Field, FieldKind
from sqlalchemy import select

from customers.fields import CONTACT_FIELDS
from customers.model import Contact, Customer, KnownDepartment, KnownUser, TimelineEntry, TimelineKind
from customers.model.purchases import Purchase, PurchaseKind
from customers.own_fields import CONTACT_ENTITY, ENTITY
from customers.queries import reach


def _known(entity: Any) -> Existing:
    def existing(session: ServiceSession, ids: Sequence[UUID]) -> Collection[UUID]:
        return set(session.scalars(select(entity.id).where(entity.id.in_(ids))))

    return existing


def _customers(session: ServiceSession, ids: Sequence[UUID]) -> Collection[UUID]:
    return set(session.scalars(select(Customer.id).where(Customer.id.in_(ids), reach(session, "customer.read"))))


def _contacts(session: ServiceSession, ids: Sequence[UUID]) -> Collection[UUID]:
    statement = select(Contact.id).join(Customer).where(Contact.id.in_(ids), reach(session, "contact.read"))
    return set(session.scalars(statement))


def _contact_field(session: ServiceSession, name: str) -> Field | None:
    known = {field.name: field for field in CONTACT_FIELDS}
    return known.get(name) or dynamic_field(session, CONTACT_ENTITY, name, Contact.custom)


_OCCURRED = Field("occur_time", FieldKind.TIME, TimelineEntry.occur_time)
CHILDREN: Mapping[PurchaseKind, str] = {
    PurchaseKind.ORDER: "orders",
    PurchaseKind.PAYMENT: "payments",
    PurchaseKind.REFUND: "refunds",
}
"""What definitions of roll-ups call the kinds of purchases."""
_PURCHASE_FIELDS = {
    "amount": Field("amount", FieldKind.NUMBER, Purchase.base_amount),
    "time": Field("time", FieldKind.TIME, Purchase.time),
}
"""The amount is that in the organisation's currency."""


def _purchases(kind: PurchaseKind) -> Children:
    return Children(
        Purchase.__table__,
        Purchase.customer_id,
        lambda session, name: _PURCHASE_FIELDS.get(name),
        where=Purchase.kind == kind,
    )


_REFERABLE: Mapping[str, Existing] = {
    "users": _known(KnownUser),
    "departments": _known(KnownDepartment),
    "customers": _customers,
    "contacts": _contacts,
}
_TEXT, _LIST, _TIME = FieldType.TEXT, FieldType.MULTI_CHOICE, FieldType.DATETIME

CUSTOMERS = Records(
    entity=ENTITY,
    id=Customer.id,
    values=Customer.custom,
    referable=_REFERABLE,
    plain={
        "display_name": _TEXT, "kind": _TEXT, "status": _TEXT, "level": _TEXT, "industry": _TEXT, "source": _TEXT,
        "website": _TEXT, "country": _TEXT, "province": _TEXT, "city": _TEXT, "district": _TEXT, "remark": _TEXT,
        "credit_code": _TEXT, "external_id": _TEXT, "phones": _LIST, "emails": _LIST, "create_time": _TIME,
    },
    children={
        "contacts": Children(Contact.__table__, Contact.customer_id, _contact_field),
        "follow_ups": Children(
            TimelineEntry.__table__,
            TimelineEntry.customer_id,
            lambda session, name: _OCCURRED if name == _OCCURRED.name else None,
            where=TimelineEntry.kind == TimelineKind.FOLLOW_UP_LOGGED,
        ),
        **{name: _purchases(kind) for kind, name in CHILDREN.items()},
    },
)  # fmt: skip
"""Customers. A later kind of records below them is one more entry of `children`, and a call of
`derived.children_changed` wherever one of them changes, be it by an event of the service that keeps them."""

CONTACTS = Records(
    entity=CONTACT_ENTITY,
    id=Contact.id,
    values=Contact.custom,
    referable=_REFERABLE,
    plain={
        "display_name": _TEXT, "job_title": _TEXT, "wechat": _TEXT, "remark": _TEXT, "phones": _LIST,
        "emails": _LIST, "create_time": _TIME, "decision_role": _TEXT, "influence": FieldType.NUMBER, "stance": _TEXT,
    },
)  # fmt: skip

ENTITIES: Mapping[str, Records] = {records.entity: records for records in (CUSTOMERS, CONTACTS)}


def plain_values(records: Records, record: Any) -> dict[str, Any]:
    """A record's other fields as formulas take them. Times are those of the record, in any zone."""
    return {name: getattr(record, name) for name in records.plain}


def judged(
    judge: Judge, values: Mapping[str, Any], *, current: Mapping[str, Any] | None, record_id: UUID | None = None
) -> tuple[dict[str, Any], list[Violation]]:
    """The values in their stored form together with the current ones, and what is wrong with them."""
    try:
        return judge(values, current=current, record_id=record_id), []
    except Invalid as error:
        return {}, list(error.violations) or [Violation("custom_fields", error.reason, error.message)]
