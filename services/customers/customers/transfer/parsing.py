"""From the cells of a row to the values of a customer, judged by the same rules as everywhere."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from operator import mul
from typing import Any, NamedTuple

from chassis.errors import Invalid
from chassis.formats import name_key
from chassis.jobs import RefusedRow
from chassis.names import new_id
from chassis.tabular import Problem, Row, unguard
from chassis.transfers import split_list, split_phones

from customers import rules
from customers.model import CustomerKind
from customers.tiers.vocabulary import require_codes
from customers.transfer.headings import CONTACT, CUSTOM, LIST_FIELDS, Layout
from customers.transfer.matching import Identity

KIND_WORDS = {"COMPANY": "公司", "PERSON": "个人"}
STATUS_WORDS = {"POTENTIAL": "潜在", "ENGAGED": "跟进中", "WON": "成交", "DORMANT": "沉睡", "LOST": "流失"}
"""The words that exports show, of those that imports understand."""

_KINDS = {"公司": "COMPANY", "企业": "COMPANY", "单位": "COMPANY", "company": "COMPANY", "organisation": "COMPANY",
          "个人": "PERSON", "自然人": "PERSON", "person": "PERSON", "individual": "PERSON"}  # fmt: skip
_STATUSES = {"潜在": "POTENTIAL", "潜在客户": "POTENTIAL", "跟进中": "ENGAGED", "成交": "WON", "已成交": "WON",
             "成交客户": "WON", "沉睡": "DORMANT", "流失": "LOST", "已流失": "LOST"}  # fmt: skip
_ROLES = {"决策人": "DECISION_MAKER", "决策者": "DECISION_MAKER", "影响者": "INFLUENCER", "影响人": "INFLUENCER",
          "使用者": "USER", "使用人": "USER", "把关者": "GATEKEEPER", "把关人": "GATEKEEPER", "采购": "BUYER",
          "采购人": "BUYER", "支持者": "CHAMPION", "内线": "CHAMPION", "教练": "CHAMPION",
          "审批人": "APPROVER"}  # fmt: skip
_STANCES = {"支持": "SUPPORTER", "中立": "NEUTRAL", "反对": "OPPONENT", "未知": "UNKNOWN"}
_WORDS = {"kind": _KINDS, "status": _STATUSES, "contact.decision_role": _ROLES, "contact.stance": _STANCES}
_FEW_VALUES = ("industry", "source", "address.country", "address.province", "address.city",
               "address.district", "contact.job_title")  # fmt: skip

_CODE = re.compile(r"[0-9]{8}[0-9A-HJ-NPQRTUWXY]{10}")
CODE_VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHJKLMNPQRTUWXY")}
CODE_WEIGHTS = tuple(3**place % 31 for place in range(17))


class ParsedRow(NamedTuple):
    """What a row says about a customer. Only what it says: an empty cell says nothing."""

    number: int
    cells: Sequence[str]
    identity: Identity
    """With the id that the customer gets if it is new."""
    values: dict[str, Any]
    """By column, in stored form."""
    custom: Mapping[str, Any]
    """The company's own fields, as read; they are judged with the customer they belong to."""
    owner: str
    """A user's name, display name or resource name; empty for the default."""
    contact: Mapping[str, Any]


class RowParser:
    """Reads the rows of one file."""

    def __init__(
        self,
        layout: Layout,
        empty_values: frozenset[str],
        own_readers: Mapping[str, Callable[[str], Any]],
        levels: Sequence[str],
    ) -> None:
        """`own_readers` say how to read the cells of each of the company's own fields, by key; `levels` are those
        that customers can be given."""
        self._empty = empty_values | {""}
        self._texts: list[tuple[int, str, str, bool, Callable[[str], Any]]] = []
        self._lists: list[tuple[int, str]] = []
        self._own: list[tuple[int, str, Callable[[str], Any]]] = []
        self._owner: int | None = None
        for index, field in layout.columns:
            if field in LIST_FIELDS:
                self._lists.append((index, field))
            elif field == "owner":
                self._owner = index
            elif field.startswith(CUSTOM):
                key = field.removeprefix(CUSTOM)
                self._own.append((index, key, own_readers[key]))
            else:
                of_contact = field.startswith(CONTACT)
                self._texts.append(
                    (index, field, rules.column(field.removeprefix(CONTACT)), of_contact, rule_of(field, levels))
                )

    def parse(self, row: Row) -> ParsedRow | RefusedRow:
        """The values of a row, or all that is wrong with it."""
        if row.problem is not None:
            return RefusedRow(row.number, [row.problem], row.cells)
        cells, empty = row.cells, self._empty
        values: dict[str, Any] = {}
        contact: dict[str, Any] = {}
        faults: list[Problem] = []
        for index, field, column, of_contact, rule in self._texts:
            text = cells[index].strip()
            if text not in empty:
                if text[0] == "'":
                    text = unguard(text)
                try:
                    (contact if of_contact else values)[column] = rule(text)
                except Invalid as error:
                    faults.append(Problem(field, error.reason, error.message, text))
        self._read_lists(cells, values, contact, faults)
        _check_whole(values, contact, faults)
        if faults:
            return RefusedRow(row.number, faults, cells)
        owner, own = self.others(cells)
        return ParsedRow(row.number, cells, _identity(values), values, own, owner, contact)

    def others(self, cells: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """The owner and the company's own fields that a row names."""
        owner = self._text(cells, self._owner) if self._owner is not None else ""
        return owner, {key: read(text) for index, key, read in self._own if (text := self._text(cells, index))}

    def _read_lists(
        self, cells: Sequence[str], values: dict[str, Any], contact: dict[str, Any], faults: list[Problem]
    ) -> None:
        """Lists may be spread over several columns, and what belongs to no named contact is the customer's own."""
        found: dict[str, list[str]] = {}
        named = "display_name" in contact
        for index, field in self._lists:
            if text := self._text(cells, index):
                field = field if named else field.removeprefix(CONTACT)
                split = split_phones if field.endswith("phones") else split_list
                found.setdefault(field, []).extend(split(text))
        for field, items in found.items():
            of_contact = field.startswith(CONTACT)
            column = field.removeprefix(CONTACT)
            try:
                (contact if of_contact else values)[column] = rules.CUSTOMER_RULES[column](items)
            except Invalid as error:
                faults.append(Problem(field, error.reason, error.message, ", ".join(items)))

    def _text(self, cells: Sequence[str], index: int) -> str:
        text = cells[index].strip()
        if text in self._empty:
            return ""
        return unguard(text) if text[0] == "'" else text


def credit_code(text: str) -> str | None:
    """As `rules.credit_code`, but quicker for a code that is right as it stands, as most are."""
    if _CODE.fullmatch(text):
        total = sum(map(mul, CODE_WEIGHTS, map(CODE_VALUES.__getitem__, text)))
        if -total % 31 == CODE_VALUES[text[17]]:
            return text
    return rules.credit_code(text)


def rule_of(field: str, levels: Sequence[str]) -> Callable[[str], Any]:
    """How a text is judged and brought into stored form."""
    if field == "level":
        return lru_cache(maxsize=256)(partial(_level, levels=levels))
    if field == "credit_code":
        return credit_code
    of_contact = field.startswith(CONTACT)
    rule = rules.CONTACT_RULES[field.removeprefix(CONTACT)] if of_contact else rules.CUSTOMER_RULES[field]
    if words := _WORDS.get(field):
        return lru_cache(maxsize=256)(lambda text: rule(words.get(text.casefold(), text.upper())))
    return lru_cache(maxsize=4096)(rule) if field in _FEW_VALUES else rule


def _level(text: str, *, levels: Sequence[str]) -> str | None:
    level = rules.level(text)
    require_codes([level] if level else [], levels, field="level")
    return level


def _check_whole(values: dict[str, Any], contact: dict[str, Any], faults: list[Problem]) -> None:
    """What is wrong with the values taken together."""
    if values.get("display_name") is None and not any(fault.field == "display_name" for fault in faults):
        faults.append(Problem("display_name", "REQUIRED", "a customer needs a name", ""))
    if contact and contact.get("display_name") is None:
        faults.append(Problem(f"{CONTACT}display_name", "REQUIRED", "a contact needs a name", ""))
    if values.get("kind") == CustomerKind.PERSON:
        faults += [Problem(one.field, one.reason, one.message, "") for one in rules.contradictions(values)]


def _identity(values: Mapping[str, Any]) -> Identity:
    get = values.get
    phones = get("phones")
    return Identity(
        new_id(),
        get("kind", "COMPANY"),
        name_key(values["display_name"]),
        get("credit_code"),
        get("external_id"),
        phones[0] if phones else "",
    )
