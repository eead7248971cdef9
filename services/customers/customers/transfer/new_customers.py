"""New customers of an import, made ready to be written.

The thread that reads the file makes them, while the database works on the rows before. What they take from the
database, namely the owners and the company's own fields, is read again in the transaction that writes them
(`Basis`): if it is not the same any more, they are made anew. Plain mappings rather than entities, which cost several
times as much. Agrees with `customers.facts`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple
from uuid import UUID

from chassis import audit
from chassis.column_texts import EMPTY, ColumnTexts, as_json, numbers, objects, text_lists, texts
from chassis.copying import copy_cells
from chassis.custom_records import Judge
from chassis.db import ServiceSession
from chassis.errors import DomainError
from chassis.names import new_key
from orjson import Fragment

from customers import rules
from customers.field_templates import lacks
from customers.model import CustomerKind, CustomerStatus
from customers.own_records import CUSTOMERS
from customers.owners import Owner
from customers.premises import read_premises
from customers.quality import Scorer
from customers.tiers.changes import first_tiers
from customers.transfer.owners import Owners, find_owners
from customers.transfer.parsing import ParsedRow
from customers.transfer.searched import searchable_contacts, searchable_customers

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

_CONTACT_TEXTS = ("display_name", "job_title", "wechat", "decision_role", "stance")
_CONTACT_LISTS = ("phones", "emails")
CONTACT_COLUMNS = (
    "id", "customer_id", *_CONTACT_TEXTS, "influence", "birthday", *_CONTACT_LISTS, "search_text", "grams",
    "is_primary", "version", "create_time", "update_time",
)  # fmt: skip

_DEFAULTS: dict[str, Any] = {"status": str(CustomerStatus.POTENTIAL), "phones": [], "emails": [], "tags": []}


class NewCustomer(NamedTuple):
    """A customer, and its first contact if it has one, as lines for COPY and as what is said of them."""

    id: UUID
    line: str
    audit_line: str
    history_line: str
    """Of its tier; empty if it has none."""
    state: Fragment
    """A `CustomerState` as JSON."""
    contact: "NewContact | None"


class NewContact(NamedTuple):
    """The first contact of a customer."""

    line: str
    audit_line: str


JudgedRow = tuple[ParsedRow, Owner | None, dict[str, Any]]
"""A row with the owner and the own fields that its customer gets."""


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
        premises = read_premises(session)
        versions = [(one.id, one.version) for one in premises.custom_fields]
        required = {str(kind): premises.required(kind) for kind in CustomerKind}
        return cls(owners, versions, premises.judge(session), premises.scorer, required)

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
        origin = audit.origin_of(session)
        self._customer_entries = audit.NewRecords(origin, "customer.import", "customers")
        self._contact_entries = audit.NewRecords(origin, "contact.import", "contacts")
        self._now, self._time = session.now, session.now.isoformat()
        self._creator = session.caller.subject
        self._first_tiers = partial(first_tiers, session)
        self._of_owners: dict[str, OfOwner] = {}

    def judge(self, row: ParsedRow) -> tuple[Owner | None, dict[str, Any]]:
        """The owner and the own fields of a row's customer. Raises a DomainError if it cannot be."""
        owner = self.basis.owners[row.owner]
        if isinstance(owner, DomainError):
            raise owner
        judge = self.basis.judge_own
        custom = judge(row.custom, current=None) if judge.fields or row.custom else {}
        if required := self.basis.required[row.identity.kind]:
            rules.refuse(lacks(required, row.values, custom))
        return owner, custom

    def make(self, row: ParsedRow) -> NewCustomer:
        """The customer that a row describes. Raises a DomainError if it cannot be."""
        return self._make([(row, *self.judge(row))])[row.number]

    def make_all(self, rows: Iterable[ParsedRow]) -> dict[int, NewCustomer]:
        """The customers that rows describe, by the rows' numbers. Who cannot be is left out: `make` tells why."""
        judged: list[JudgedRow] = []
        for row in rows:
            try:
                judged.append((row, *self.judge(row)))
            except DomainError:
                continue
        return self._make(judged)

    def _make(self, rows: Sequence[JudgedRow]) -> dict[int, NewCustomer]:
        """Columns of many rows are searched through and written at once, which is why rows are made together."""
        values = [self._values(row) for row, _, _ in rows]
        customs = self._customs(rows, values)
        columns = {name: texts([one.get(name) for one in values]) for name in _TEXTS}
        columns |= {name: text_lists([one[name] for one in values]) for name in _LISTS}
        keys, of_owners = [str(row.identity.id) for row, _, _ in rows], [self._of(row, owner) for row, owner, _ in rows]
        searched = searchable_customers([(one["display_name"], one["phones"], one["emails"]) for one in values])
        lines = _lines(
            keys,
            *[columns[name].cells for name in (*_TEXTS, *_LISTS)],
            texts([row.identity.name_key for row, _, _ in rows]).cells,
            [found_by.text for found_by in searched],
            [found_by.grams for found_by in searched],
            [copy_cells([as_json(custom)]) if custom else "{}" for custom in customs],
            [str(self.basis.scorer.score(one["kind"], one.get, own)) for one, own in zip(values, customs, strict=True)],
            [of_owner.end for of_owner in of_owners],
        )
        contents = objects(
            {name: column.json for name, column in columns.items()}
            | {
                "custom": [(audit.canonical(custom) or b"").decode() if custom else "" for custom in customs],
                "creator": repeat(as_json(self._creator), len(rows)),
                "create_time": repeat(as_json(self._time), len(rows)),
                "version": repeat("1", len(rows)),
                "owner": [of_owner.name for of_owner in of_owners],
                "owner_department": [of_owner.department for of_owner in of_owners],
            }
        )
        audited = self._customer_entries.lines(keys, contents)
        tiers = self._first_tiers(keys, [one.get("level") for one in values])
        states = _states(keys, columns, of_owners)
        contacts = self._contacts([(row, key) for (row, _, _), key in zip(rows, keys, strict=True) if row.contact])
        return {
            row.number: NewCustomer(row.identity.id, line, entry, tier, state, contacts.get(row.number))
            for (row, _, _), line, entry, tier, state in zip(rows, lines, audited, tiers, states, strict=True)
        }

    def _values(self, row: ParsedRow) -> dict[str, Any]:
        values = _DEFAULTS | rules.with_country(row.values)
        values["kind"] = row.identity.kind
        return values

    def _customs(self, rows: Sequence[JudgedRow], values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The company's own fields, with what follows from the rest."""
        judge, given = self.basis.judge_own, [custom for _, _, custom in rows]
        if not judge.derives:
            return given
        return [
            judge.derive(
                judge.number(custom), {name: one.get(name) for name in CUSTOMERS.plain} | {"create_time": self._now}
            )
            for custom, one in zip(given, values, strict=True)
        ]

    def _contacts(self, rows: Sequence[tuple[ParsedRow, str]]) -> dict[int, NewContact]:
        """The first contacts of some customers, whose ids are given, by the numbers of the rows."""
        values, keys = [row.contact for row, _ in rows], [new_key() for _ in rows]
        columns = {name: texts([one.get(name) for one in values]) for name in _CONTACT_TEXTS}
        columns["influence"] = numbers([one.get("influence") for one in values])
        columns["birthday"] = texts([one["birthday"].isoformat() if "birthday" in one else None for one in values])
        columns |= {name: text_lists([one.get(name, ()) for one in values]) for name in _CONTACT_LISTS}
        named = [(one["display_name"], one.get("phones", ()), one.get("emails", ())) for one in values]
        searched = searchable_contacts(named)
        lines = _lines(
            keys,
            [customer for _, customer in rows],
            *[column.cells for column in columns.values()],
            [found_by.text for found_by in searched],
            [found_by.grams for found_by in searched],
            repeat(f"t\t1\t{self._time}\t{self._time}", len(rows)),
        )
        contents = objects(
            {name: column.json for name, column in columns.items()}
            | {
                "is_primary": repeat("true", len(rows)),
                "customer": [f'"customers/{customer}"' for _, customer in rows],
                "version": repeat("1", len(rows)),
            }
        )
        audited = self._contact_entries.lines(keys, contents)
        numbers_of_rows = [row.number for row, _ in rows]
        return dict(zip(numbers_of_rows, map(NewContact, lines, audited), strict=True))

    def _of(self, row: ParsedRow, owner: Owner | None) -> "OfOwner":
        found = self._of_owners.get(row.owner)
        if found is None:
            found = self._of_owners[row.owner] = self._of_owner(owner)
        return found

    def _of_owner(self, owner: Owner | None) -> "OfOwner":
        cells: list[str | None] = [None, None, None]
        if owner is not None:
            cells = [str(owner.id), str(owner.department_id or "") or None, owner.department_path]
        return OfOwner(
            end=copy_cells([*cells, self._creator, "1", self._time, self._time]),
            name=as_json(f"users/{cells[0]}") if cells[0] else "",
            department=as_json(f"departments/{cells[1]}") if cells[1] else "",
            path=as_json(cells[2] or ""),
        )


class OfOwner(NamedTuple):
    """What all customers of an owner have in common."""

    end: str
    """Of their lines."""
    name: str
    """As JSON; empty if there is no owner."""
    department: str
    path: str


def _lines(*cells: Iterable[str]) -> list[str]:
    return list(map("\t".join, zip(*cells, strict=True)))


def _states(keys: Sequence[str], columns: Mapping[str, ColumnTexts], owners: Sequence[OfOwner]) -> list[Fragment]:
    """What `customers.facts.state` says of each, as JSON. To make an object of each takes several times as long."""
    told = [columns[name].json for name in ("kind", "display_name", "status", "credit_code", "level")]
    return [
        Fragment(
            f'{{"customer":"customers/{key}","version":1,"kind":{kind},"display_name":{name},"status":{status},'
            f'"owner":{owner.name or EMPTY},"owner_department_path":{owner.path},'
            f'"credit_code":{code or EMPTY},"level":{level or EMPTY}}}'
        )
        for key, kind, name, status, code, level, owner in zip(keys, *told, owners, strict=True)
    ]
