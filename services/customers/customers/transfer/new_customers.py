"""New customers of an import, made ready to be written.

The thread that reads the file makes them, while the database works on the rows before. What they take from the
database, namely the owners and the company's own fields, is read again in the transaction that writes them
(`Basis`): if it is not the same any more, they are made anew. Plain mappings rather than entities, which cost several
times as much. Agrees with `customers.facts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from chassis import audit
from chassis.audit import Change
from chassis.copying import copy_cells, integer_array, text_array
from chassis.custom_records import Judge
from chassis.db import ServiceSession
from chassis.errors import DomainError
from chassis.names import new_id
from chassis.search import grams

from customers import rules
from customers.events import CustomerState
from customers.field_templates import lacks, required_fields
from customers.model import CustomerKind, CustomerStatus, searched_text
from customers.own_fields import ENTITY
from customers.own_records import CUSTOMERS
from customers.owners import Owner
from customers.quality import Scorer, weights_of
from customers.transfer.owners import Owners, find_owners
from customers.transfer.parsing import ParsedRow

_TEXTS = (
    "kind", "display_name", "credit_code", "status", "level", "industry", "source", "website", "country", "province",
    "city", "district", "street", "postal_code", "remark", "external_id",
)  # fmt: skip
_LISTS = ("phones", "emails", "tags")
CUSTOMER_COLUMNS = (
    "id", *_TEXTS, *_LISTS, "name_key", "search_text", "grams", "custom", "quality_score",
    "owner_id", "owner_department_id",
    "owner_department_path", "creator", "version", "create_time", "update_time",
)  # fmt: skip

_CONTACT_TEXTS = ("display_name", "job_title", "wechat")
CONTACT_COLUMNS = (
    "id", "customer_id", *_CONTACT_TEXTS, "phones", "emails", "is_primary", "version", "create_time", "update_time",
)  # fmt: skip

_DEFAULTS: dict[str, Any] = {"status": str(CustomerStatus.POTENTIAL), "phones": [], "emails": [], "tags": []}


class NewCustomer(NamedTuple):
    """A customer, and its first contact if it has one, as lines for COPY and as what is said of them."""

    line: str
    contact_line: str
    """Empty if there is no contact."""
    audit_lines: Sequence[str]
    state: CustomerState


@dataclass(frozen=True)
class Basis:
    """What new customers take from the database."""

    owners: Owners
    field_versions: Sequence[tuple[UUID, int]]
    judge_own: Judge
    scorer: Scorer
    required: Mapping[str, Sequence[str]]
    """By kind, what the templates say that a customer must have."""

    @classmethod
    def read(cls, session: ServiceSession, rows: Sequence[ParsedRow]) -> "Basis":
        """What these rows take. In a transaction it stays so until the end."""
        owners = find_owners(session, {row.owner for row in rows})
        judge = Judge(session, CUSTOMERS)
        versions = [(one.id, one.version) for one in judge.fields]
        required = {str(kind): required_fields(session, ENTITY, kind) for kind in CustomerKind}
        return cls(owners, versions, judge, Scorer(weights_of(session)), required)

    def holds(self, other: "Basis") -> bool:
        """Whether what was made on the other basis may be used on this one."""
        return self._key() == other._key()

    def _key(self) -> object:
        owners = {text: one.reason if isinstance(one, DomainError) else one for text, one in self.owners.items()}
        return owners, self.field_versions, self.scorer.key, self.required


class Maker:
    """Makes new customers on one basis."""

    def __init__(self, session: ServiceSession, basis: Basis) -> None:
        self.basis = basis
        self._origin = audit.origin_of(session)
        self._now, self._time = session.now, session.now.isoformat()
        self._creator = session.caller.subject
        self._of_owners: dict[Owner | None, tuple[str, dict[str, Any]]] = {}

    def judge(self, row: ParsedRow) -> tuple[Owner | None, dict[str, Any]]:
        """The owner and the own fields of a row's customer. Raises a DomainError if it cannot be."""
        owner = self.basis.owners[row.owner]
        if isinstance(owner, DomainError):
            raise owner
        custom = self.basis.judge_own(row.custom, current=None)
        if required := self.basis.required[row.identity.kind]:
            rules.refuse(lacks(required, row.values, custom))
        return owner, custom

    def make(self, row: ParsedRow) -> NewCustomer:
        """The customer that a row describes. Raises a DomainError if it cannot be."""
        owner, custom = self.judge(row)
        judge = self.basis.judge_own
        values = _DEFAULTS | rules.with_country(row.values)
        values["kind"] = row.identity.kind
        if judge.derives:
            custom = judge.derive(judge.number(custom), self._plain(values))
        score = self.basis.scorer.score(values["kind"], values.get, custom)
        key, (end, facts) = str(row.identity.id), self._of(owner)
        facts = {name: value for name, value in values.items() if value} | facts
        own = "{}"
        if custom:
            facts["custom"], own = custom, copy_cells([orjson.dumps(custom).decode()])
        line = f"{_customer_cells(row, key, values)}\t{own}\t{score}\t{end}"
        audited = audit.prepare(self._origin, Change("customer.import", f"customers/{key}", None, facts))
        state = _state(key, values, owner)
        if not row.contact:
            return NewCustomer(line, "", (audited,), state)
        contact_line, contact_audited = self._contact(key, row.contact)
        return NewCustomer(line, contact_line, (audited, contact_audited), state)

    def _plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values.get(name) for name in CUSTOMERS.plain} | {"create_time": self._now}

    def _contact(self, customer: str, contact: Mapping[str, Any]) -> tuple[str, str]:
        get, key = contact.get, str(new_id())
        lists = [text_array(get(column, ())) for column in ("phones", "emails")]
        line = copy_cells([key, customer, *map(get, _CONTACT_TEXTS), *lists, "t", "1", self._time, self._time])
        facts = {name: value for name, value in contact.items() if value}
        facts |= {"is_primary": True, "customer": f"customers/{customer}", "version": 1}
        return line, audit.prepare(self._origin, Change("contact.import", f"contacts/{key}", None, facts))

    def _of(self, owner: Owner | None) -> tuple[str, dict[str, Any]]:
        """The end of the line, and the facts, that all customers of an owner have in common."""
        found = self._of_owners.get(owner)
        if found is None:
            found = self._of_owners[owner] = self._end(owner), self._common_facts(owner)
        return found

    def _end(self, owner: Owner | None) -> str:
        of_owner: list[str | None] = [None, None, None]
        if owner is not None:
            of_owner = [str(owner.id), str(owner.department_id or "") or None, owner.department_path]
        return copy_cells([*of_owner, self._creator, "1", self._time, self._time])

    def _common_facts(self, owner: Owner | None) -> dict[str, Any]:
        facts: dict[str, Any] = {"creator": self._creator, "version": 1, "create_time": self._time}
        if owner is not None:
            facts["owner"] = f"users/{owner.id}"
            if owner.department_id is not None:
                facts["owner_department"] = f"departments/{owner.department_id}"
        return facts


def _customer_cells(row: ParsedRow, key: str, values: Mapping[str, Any]) -> str:
    get = values.get
    searched = searched_text(values["display_name"], values["phones"], values["emails"])
    lists = [text_array(values[column]) for column in _LISTS]
    return copy_cells([key, *map(get, _TEXTS), *lists, row.identity.name_key, searched, integer_array(grams(searched))])


def _state(key: str, values: Mapping[str, Any], owner: Owner | None) -> CustomerState:
    return CustomerState(
        f"customers/{key}",
        1,
        values["kind"],
        values["display_name"],
        values["status"],
        f"users/{owner.id}" if owner is not None else "",
        owner.department_path or "" if owner is not None else "",
        values.get("credit_code") or "",
    )
