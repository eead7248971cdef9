"""Which customers count as one, and how a second one is refused.

Two customers are the same if they share an external id or a credit code; companies also if they share a name and
do not bear different credit codes; persons if they share a name and the first phone number.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.db import ServiceSession
from chassis.errors import Duplicate
from chassis.names import make_name
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.exc import IntegrityError

from customers.model import Customer, CustomerKind
from customers.queries import REACHABLE

_FIELDS = {
    "uq_customer_external_id": "external_id",
    "uq_customer_credit_code": "credit_code",
    "uq_customer_company": "display_name",
    "uq_customer_person": "display_name",
}


def refuse_duplicate(session: ServiceSession, customer: Customer) -> None:
    """Raise Duplicate if another customer is the same as this one. It is named only to those who may see it."""
    statement = select(Customer).where(Customer.id != customer.id, or_(*_same(customer))).limit(1)
    with session.no_autoflush:
        other = session.scalars(statement).first()
    if other is None:
        return
    visible = _may_read(session, other)
    details = {"existing": make_name("customers", other.id)} if visible else {}
    raise _duplicate(_field(customer, other), **details)


@contextmanager
def refusing_duplicates() -> Iterator[None]:
    """Turn a breach of uniqueness, as concurrent calls can cause, into Duplicate. The transaction is lost then."""
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.orig, "diag", None)
        field = _FIELDS.get(getattr(diagnosis, "constraint_name", None) or "")
        if field is None:
            raise
        raise _duplicate(field) from None


def _duplicate(field: str, **details: object) -> Duplicate:
    message = f"a customer with this {field} exists already"
    return Duplicate("DUPLICATE_CUSTOMER", message, field=field, **details)


def _same(customer: Customer) -> Iterator[ColumnElement[bool]]:
    if customer.external_id is not None:
        yield Customer.external_id == customer.external_id
    if customer.credit_code is not None:
        yield Customer.credit_code == customer.credit_code
    named = and_(Customer.kind == customer.kind, Customer.name_key == customer.name_key)
    if customer.kind == CustomerKind.COMPANY:
        # Spelled out so that the partial index on names is known to suit.
        yield and_(Customer.kind == "COMPANY", named, *_unless_codes_differ(customer))
    else:
        first_phone = customer.phones[0] if customer.phones else ""
        yield and_(Customer.kind == "PERSON", named, func.coalesce(Customer.phones[1], "") == first_phone)


def _unless_codes_differ(customer: Customer) -> Iterator[ColumnElement[bool]]:
    if customer.credit_code is not None:
        yield or_(Customer.credit_code.is_(None), Customer.credit_code == customer.credit_code)


def _field(customer: Customer, other: Customer) -> str:
    if customer.external_id is not None and customer.external_id == other.external_id:
        return "external_id"
    if customer.credit_code is not None and customer.credit_code == other.credit_code:
        return "credit_code"
    return "display_name"


def _may_read(session: ServiceSession, customer: Customer) -> bool:
    place = customer.id, customer.owner_id, customer.owner_department_path
    return bool(session.caller.granted("customer.read")) and REACHABLE.reaches(session, "customer.read", *place)
