"""New customers of an import, as rows to be written and as what is said of them.

What a row alone decides is made ready in the thread that reads the file (`new_customer`), while the database works on
the rows before; what the transaction decides, such as the owner's department, is added in it (`Stamp`). Plain
mappings rather than entities, which cost several times as much. Agrees with `customers.facts`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from chassis.db import ServiceSession
from chassis.names import new_id
from chassis.search import grams

from customers import rules
from customers.events import CustomerState
from customers.model import CustomerStatus, searched_text
from customers.owners import Owner
from customers.transfer.parsing import ParsedRow
from customers.transfer.writing import copy_cells, integer_array, text_array

_TEXTS = (
    "kind", "display_name", "credit_code", "status", "level", "industry", "source", "website", "country", "province",
    "city", "district", "street", "postal_code", "remark", "external_id",
)  # fmt: skip
_LISTS = ("phones", "emails", "tags")
_STAMPED = (
    "custom", "owner_id", "owner_department_id", "owner_department_path", "creator", "version", "create_time",
    "update_time",
)  # fmt: skip
CUSTOMER_COLUMNS = ("id", *_TEXTS, *_LISTS, "name_key", "search_text", "grams", *_STAMPED)

_CONTACT_TEXTS = ("display_name", "job_title", "wechat")
CONTACT_COLUMNS = (
    "id", "customer_id", *_CONTACT_TEXTS, "phones", "emails", "is_primary", "version", "create_time", "update_time",
)  # fmt: skip

_DEFAULTS: dict[str, Any] = {"status": str(CustomerStatus.POTENTIAL), "phones": [], "emails": [], "tags": []}


class NewCustomer(NamedTuple):
    """A customer, and its first contact, as far as its row decides."""

    id: str
    values: Mapping[str, Any]
    line: str
    contact_id: str
    """Empty if there is no contact."""
    contact: Mapping[str, Any]
    contact_line: str


def new_customer(row: ParsedRow) -> NewCustomer:
    """The customer that a row describes."""
    identity = row.identity
    values = _DEFAULTS | rules.with_country(row.values)
    values["kind"] = identity.kind
    get, key = values.get, str(identity.id)
    searched = searched_text(values["display_name"], values["phones"], values["emails"])
    cells = [key, *map(get, _TEXTS), *[text_array(values[column]) for column in _LISTS]]
    line = copy_cells([*cells, identity.name_key, searched, integer_array(grams(searched))])
    if not row.contact:
        return NewCustomer(key, values, line, "", {}, "")
    contact = row.contact
    lists = [text_array(contact.get(column, ())) for column in ("phones", "emails")]
    contact_id = str(new_id())
    contact_line = copy_cells([contact_id, key, *map(contact.get, _CONTACT_TEXTS), *lists, "t", "1"])
    return NewCustomer(key, values, line, contact_id, contact, contact_line)


class Stamp:
    """What one transaction adds to all its new customers."""

    def __init__(self, session: ServiceSession) -> None:
        self._time = session.now.isoformat()
        self._creator = session.caller.subject
        self._of_owners: dict[Owner | None, tuple[str, dict[str, Any]]] = {}

    def customer_line(self, new: NewCustomer, custom: Mapping[str, Any], owner: Owner | None) -> str:
        """The line of the customer, see CUSTOMER_COLUMNS."""
        own = copy_cells([orjson.dumps(custom).decode()]) if custom else "{}"
        return f"{new.line}\t{own}\t{self._of(owner)[0]}"

    def contact_line(self, new: NewCustomer) -> str:
        """The line of the contact, see CONTACT_COLUMNS."""
        return f"{new.contact_line}\t{self._time}\t{self._time}"

    def facts(self, new: NewCustomer, custom: Mapping[str, Any], owner: Owner | None) -> dict[str, Any]:
        """As `facts.snapshot` of the entity."""
        facts = {key: value for key, value in new.values.items() if value}
        facts |= self._of(owner)[1]
        if custom:
            facts["custom"] = custom
        return facts

    def state(self, new: NewCustomer, owner: Owner | None) -> CustomerState:
        """As `facts.state` of the entity."""
        values, of_owner = new.values, self._of(owner)[1]
        path = owner.department_path or "" if owner else ""
        return CustomerState(
            f"customers/{new.id}",
            1,
            values["kind"],
            values["display_name"],
            values["status"],
            of_owner.get("owner", ""),
            path,
        )

    def _of(self, owner: Owner | None) -> tuple[str, dict[str, Any]]:
        """The end of the line and the facts that all customers of an owner have in common."""
        found = self._of_owners.get(owner)
        if found is None:
            found = self._of_owners[owner] = self._make(owner)
        return found

    def _make(self, owner: Owner | None) -> tuple[str, dict[str, Any]]:
        facts: dict[str, Any] = {"creator": self._creator, "version": 1, "create_time": self._time}
        of_owner: list[str | None] = [None, None, None]
        if owner is not None:
            department = str(owner.department_id) if owner.department_id else None
            of_owner = [str(owner.id), department, owner.department_path]
            facts["owner"] = f"users/{owner.id}"
            if department:
                facts["owner_department"] = f"departments/{department}"
        return copy_cells([*of_owner, self._creator, "1", self._time, self._time]), facts


def contact_facts(new: NewCustomer) -> dict[str, Any]:
    """As `facts.contact_snapshot` of the entity."""
    facts = {key: value for key, value in new.contact.items() if value}
    return facts | {"is_primary": True, "customer": f"customers/{new.id}", "version": 1}
