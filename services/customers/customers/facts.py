"""What is said about a customer or contact to others: to the services that listen, and to the audit log."""

from datetime import datetime
from typing import Any

from chassis.encryption import DataKeys
from chassis.names import make_name
from chassis.snapshots import difference, filled

from customers.events import CustomerState
from customers.model import Contact, Customer

__all__ = ["contact_snapshot", "difference", "marks", "snapshot", "state"]

_CUSTOMER_TEXTS = (
    "kind", "display_name", "credit_code", "status", "level", "industry", "source", "phones", "emails", "website",
    "country", "province", "city", "district", "street", "postal_code", "tags", "custom", "remark", "external_id",
    "creator",
)  # fmt: skip
_CONTACT_TEXTS = (
    "display_name", "job_title", "phones", "emails", "wechat", "is_primary", "custom", "remark",
    "decision_role", "influence", "stance",
)  # fmt: skip


def state(customer: Customer) -> CustomerState:
    """What other services keep of a customer."""
    return CustomerState(
        customer=customer.name,
        version=customer.version,
        kind=customer.kind,
        display_name=customer.display_name,
        status=customer.status,
        owner=make_name("users", customer.owner_id),
        owner_department_path=customer.owner_department_path or "",
        credit_code=customer.credit_code or "",
        level=customer.level or "",
    )


def snapshot(customer: Customer) -> dict[str, Any]:
    """All that a customer holds, for the audit log. What is empty is left out."""
    values = {key: getattr(customer, key) for key in _CUSTOMER_TEXTS}
    values |= {
        "identity_number": customer.identity_number_shown,
        "owner": make_name("users", customer.owner_id),
        "owner_department": make_name("departments", customer.owner_department_id),
        "pool": make_name("pools", customer.pool_id),
        "held_since": _iso(customer.held_since),
        "locked": customer.locked or None,
        "create_time": _iso(customer.create_time),
        "last_follow_up_time": _iso(customer.last_follow_up_time),
        "last_effective_follow_up_time": _iso(customer.last_effective_follow_up_time),
        "version": customer.version,
    }
    return filled(values)


def contact_snapshot(contact: Contact) -> dict[str, Any]:
    """All that a contact holds, for the audit log. What is empty is left out."""
    values = {key: getattr(contact, key) for key in _CONTACT_TEXTS}
    values |= {
        "identity_number": contact.identity_number_shown,
        "customer": make_name("customers", contact.customer_id),
        "reports_to": make_name("contacts", contact.reports_to_id),
        "birthday": contact.birthday.isoformat() if contact.birthday is not None else None,
        "version": contact.version,
    }
    return filled(values)


def marks(keys: DataKeys, person: Customer | Contact) -> frozenset[str]:
    """The numbers and addresses of a customer or contact, as legal holds know them."""
    number = person.identity_number(keys)
    return frozenset({*person.phones, *person.emails, *([number] if number else ())})


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time is not None else None
