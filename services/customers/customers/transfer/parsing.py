"""From the cells of a row to the values of a customer, judged by the same rules as everywhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from chassis.errors import Violation
from chassis.jobs import RefusedRow
from chassis.tabular import Problem, Row, unguard

from customers import rules
from customers.model import CustomerKind, CustomerStatus, name_key
from customers.transfer.headings import CONTACT, CUSTOM, LIST_FIELDS, Layout
from customers.transfer.own_values import split_list

OwnRule = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Gives the company's own fields in stored form; raises Invalid."""

_KINDS = {"公司": "COMPANY", "企业": "COMPANY", "单位": "COMPANY", "company": "COMPANY", "organisation": "COMPANY",
          "个人": "PERSON", "自然人": "PERSON", "person": "PERSON", "individual": "PERSON"}  # fmt: skip
_STATUSES = {"潜在": "POTENTIAL", "潜在客户": "POTENTIAL", "跟进中": "ENGAGED", "成交": "WON", "已成交": "WON",
             "成交客户": "WON", "沉睡": "DORMANT", "流失": "LOST", "已流失": "LOST"}  # fmt: skip
_FEW_VALUES = ("kind", "status", "level", "industry", "source", "address.country", "address.province", "address.city",
               "address.district")  # fmt: skip
_CUSTOMER_RULES = dict(rules.CUSTOMER_RULES) | {
    path: lru_cache(maxsize=4096)(rules.CUSTOMER_RULES[path]) for path in _FEW_VALUES
}
KIND_WORDS = {"COMPANY": "公司", "PERSON": "个人"}
STATUS_WORDS = {"POTENTIAL": "潜在", "ENGAGED": "跟进中", "WON": "成交", "DORMANT": "沉睡", "LOST": "流失"}
"""The words that exports show, of those that imports understand."""

_WORDS: Mapping[str, Mapping[str, str]] = {"kind": _KINDS, "status": _STATUSES}


class ParsedRow(NamedTuple):
    """What a row says about a customer. Only what it says: an empty cell says nothing."""

    number: int
    cells: Sequence[str]
    values: Mapping[str, Any]
    """By column, in stored form."""
    custom: Mapping[str, Any]
    """The company's own fields, as read; they are judged with the customer they belong to."""
    owner: str
    """A user's name, display name or resource name; empty for the default."""
    contact: Mapping[str, Any]
    name_key: str

    @property
    def kind(self) -> str:
        """Company, unless the row says otherwise."""
        return str(self.values.get("kind", CustomerKind.COMPANY))

    @property
    def phone(self) -> str:
        """The first phone number, which tells namesakes apart."""
        phones = self.values.get("phones")
        return phones[0] if phones else ""

    def refused(self, field: str, reason: str, message: str) -> RefusedRow:
        """The row, refused."""
        return RefusedRow(self.number, [Problem(field, reason, message, "")], self.cells)


@dataclass(frozen=True)
class RowParser:
    """Reads the rows of one file."""

    layout: Layout
    empty_values: frozenset[str]
    own_readers: Mapping[str, Callable[[str], Any]]
    """How to read the cells of each of the company's own fields, by key."""

    def parse(self, row: Row) -> ParsedRow | RefusedRow:
        """The values of a row, or all that is wrong with it."""
        if row.problem is not None:
            return RefusedRow(row.number, [row.problem], row.cells)
        raw: dict[str, Any] = {}
        for index, field in self.layout.columns:
            text = row.cells[index].strip()
            if not text or text in self.empty_values:
                continue
            if text[0] == "'":
                text = unguard(text)
            if field in LIST_FIELDS:
                raw[field] = raw.get(field, []) + split_list(text)
            else:
                raw[field] = text
        return self._judge(row, raw)

    def _judge(self, row: Row, raw: dict[str, Any]) -> ParsedRow | RefusedRow:
        given: dict[str, Any] = {"display_name": ""}
        custom: dict[str, Any] = {}
        contact: dict[str, Any] = {}
        for field, text in raw.items():
            if field.startswith(CUSTOM):
                key = field.removeprefix(CUSTOM)
                custom[key] = self.own_readers[key](text)
            elif field.startswith(CONTACT):
                contact[field.removeprefix(CONTACT)] = text
            elif field != "owner":
                words = _WORDS.get(field)
                given[field] = words.get(text.casefold(), text.upper()) if words else text
        _without_name(given, contact)
        stored, faults = rules.apply(_CUSTOMER_RULES, given)
        faults += rules.contradictions(stored)
        if contact:
            contact, contact_faults = rules.apply(rules.CONTACT_RULES, {"display_name": ""} | contact)
            faults += [Violation(CONTACT + fault.field, fault.reason, fault.message) for fault in contact_faults]
        if faults:
            return RefusedRow(row.number, [_problem(fault, raw) for fault in faults], row.cells)
        key = name_key(stored["display_name"])
        return ParsedRow(row.number, row.cells, stored, custom, raw.get("owner", ""), contact, key)


def new_values(row: ParsedRow) -> dict[str, Any]:
    """The values of a new customer, by column."""
    defaults = {
        "kind": CustomerKind.COMPANY,
        "status": CustomerStatus.POTENTIAL,
        "phones": [],
        "emails": [],
        "tags": [],
    }
    return defaults | rules.with_country(dict(row.values))


def _without_name(given: dict[str, Any], contact: dict[str, Any]) -> None:
    """Phone numbers and addresses of a contact without a name are the customer's own."""
    if "display_name" in contact:
        return
    for field in ("phones", "emails"):
        if field in contact:
            given[field] = given.get(field, []) + contact.pop(field)


def _problem(fault: Violation, raw: Mapping[str, Any]) -> Problem:
    value = raw.get(fault.field, "")
    return Problem(fault.field, fault.reason, fault.message, ", ".join(value) if isinstance(value, list) else value)
