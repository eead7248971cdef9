"""Which customers count as one, and how a second one is refused.

Two customers are the same if they share an external id or a credit code; companies also if they share a name and
do not bear different credit codes; persons if they share a name and the first phone number.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Duplicate
from chassis.names import make_name
from chassis.prepared import Prepared
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from customers.model import Customer, CustomerKind
from customers.queries import REACHABLE, place_of

_FIELDS = {
    "uq_customer_external_id": "external_id",
    "uq_customer_credit_code": "credit_code",
    "uq_customer_company": "display_name",
    "uq_customer_person": "display_name",
}


# What a customer does not have is given as NULL, which equals nothing. The kinds are spelled out so that the partial
# indexes on names are known to suit.
_SAME = Prepared(
    text(
        """
    SELECT id, owner_id, owner_department_path, external_id, credit_code FROM customer
    WHERE id <> :id AND (
      external_id = CAST(:external_id AS text) OR credit_code = CAST(:credit_code AS text)
      OR kind = 'COMPANY' AND name_key = CAST(:company AS text)
        AND (CAST(:credit_code AS text) IS NULL OR credit_code IS NULL OR credit_code = CAST(:credit_code AS text))
      OR kind = 'PERSON' AND name_key = CAST(:person AS text) AND coalesce(phones[1], '') = CAST(:phone AS text))
    LIMIT 1
        """
    )
)


def refuse_duplicate(session: ServiceSession, customer: Customer) -> None:
    """Raise Duplicate if another customer is the same as this one. It is named only to those who may see it."""
    is_company = customer.kind == CustomerKind.COMPANY
    other = _SAME.first(
        session,
        id=customer.id,
        external_id=customer.external_id,
        credit_code=customer.credit_code,
        company=customer.name_key if is_company else None,
        person=None if is_company else customer.name_key,
        phone=customer.phones[0] if customer.phones else "",
    )
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


def _field(customer: Customer, other: Any) -> str:
    if customer.external_id is not None and customer.external_id == other.external_id:
        return "external_id"
    if customer.credit_code is not None and customer.credit_code == other.credit_code:
        return "credit_code"
    return "display_name"


def _may_read(session: ServiceSession, row: Any) -> bool:
    return bool(session.caller.granted("customer.read")) and REACHABLE.reaches(session, "customer.read", *place_of(row))
