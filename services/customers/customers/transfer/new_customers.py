"""New customers of an import, as rows to be written and as what is said of them.

Plain mappings rather than entities, which cost several times as much. Agrees with `customers.facts`.
"""

from collections.abc import Mapping
from typing import Any

from chassis.db import ServiceSession
from chassis.names import new_id
from chassis.search import grams

from customers import rules
from customers.events import CustomerState
from customers.model import searched_text
from customers.owners import Owner
from customers.transfer.parsing import ParsedRow

_KEPT_INSIDE = (
    "id", "name_key", "search_text", "grams", "owner_id", "owner_department_id", "owner_department_path", "update_time",
)  # fmt: skip


class NewCustomers:
    """Makes the new customers of one transaction. Ids and times are texts from the start: all they are used as."""

    def __init__(self, session: ServiceSession) -> None:
        self._time = session.now.isoformat()
        self._creator = session.caller.subject
        self._of_owners: dict[Owner | None, dict[str, Any]] = {}

    def customer(self, row: ParsedRow, custom: Mapping[str, Any], owner: Owner | None) -> dict[str, Any]:
        """The columns of a new customer, but for those that `index` adds."""
        of_owner = self._of_owners.get(owner)
        if of_owner is None:
            of_owner = self._of_owners[owner] = _of_owner(owner)
        return {
            "status": "POTENTIAL",
            "phones": [],
            "emails": [],
            "tags": [],
            **rules.with_country(row.values),
            **of_owner,
            "id": str(row.identity.id),
            "kind": row.identity.kind,
            "name_key": row.identity.name_key,
            "custom": custom,
            "creator": self._creator,
            "version": 1,
            "create_time": self._time,
            "update_time": self._time,
        }

    def contact(self, row: ParsedRow) -> dict[str, Any]:
        """The columns of the first contact of a new customer."""
        return {
            "phones": [],
            "emails": [],
            **row.contact,
            "id": str(new_id()),
            "customer_id": str(row.identity.id),
            "is_primary": True,
            "version": 1,
            "create_time": self._time,
            "update_time": self._time,
        }


def _of_owner(owner: Owner | None) -> dict[str, Any]:
    if owner is None:
        return {}
    return {
        "owner_id": str(owner.id),
        "owner_department_id": str(owner.department_id) if owner.department_id else None,
        "owner_department_path": owner.department_path,
    }


def index(customer: dict[str, Any]) -> dict[str, Any]:
    """Add the columns that the customer is searched by."""
    searched = searched_text(
        customer["display_name"], customer.get("credit_code"), customer["phones"], customer["emails"]
    )
    customer["search_text"], customer["grams"] = searched, grams(searched)
    return customer


def customer_facts(customer: Mapping[str, Any]) -> dict[str, Any]:
    """As `facts.snapshot` of the entity."""
    values = {key: value for key, value in customer.items() if value}
    for key in _KEPT_INSIDE:
        values.pop(key, None)
    if owner_id := customer.get("owner_id"):
        values["owner"] = f"users/{owner_id}"
    if department_id := customer.get("owner_department_id"):
        values["owner_department"] = f"departments/{department_id}"
    return values


def customer_state(customer: Mapping[str, Any]) -> CustomerState:
    """As `facts.state` of the entity."""
    owner_id = customer.get("owner_id")
    return CustomerState(
        f"customers/{customer['id']}",
        1,
        customer["kind"],
        customer["display_name"],
        customer["status"],
        f"users/{owner_id}" if owner_id else "",
        customer.get("owner_department_path") or "",
    )


def contact_facts(contact: Mapping[str, Any]) -> dict[str, Any]:
    """As `facts.contact_snapshot` of the entity."""
    values = {key: value for key, value in contact.items() if value}
    for key in ("id", "customer_id", "create_time", "update_time"):
        del values[key]
    values["customer"] = f"customers/{contact['customer_id']}"
    return values
