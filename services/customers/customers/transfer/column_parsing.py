"""Reading thousands of rows at once, column by column.

What a cell needs no more for than to be taken as it stands, as nearly all, is told from the column as a whole, and what
stands in many cells is judged once. A row with anything else in it is left to the `RowParser`, cell by cell, so that
there is one way to judge what is wrong. Both come to the same.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
from chassis.bulk_search import normalised_all
from chassis.errors import Invalid
from chassis.formats import mobiles_in_china, name_key
from chassis.jobs import RefusedRow
from chassis.names import new_id
from chassis.rules import optional_text, required_text
from chassis.tabular import Row, unguard
from chassis.transfers import split_list, split_phones

from customers import rules
from customers.model import CustomerKind
from customers.transfer.headings import CONTACT, CUSTOM, LIST_FIELDS, Layout
from customers.transfer.matching import Identity
from customers.transfer.parsing import CODE_VALUES, CODE_WEIGHTS, ParsedRow, RowParser, rule_of

ABSENT: Any = object()
"""Stands for a cell that says nothing."""
DOUBTFUL: Any = object()
"""Stands for a cell that is left to the `RowParser`."""

MOST_KNOWN = 4_096
"""How many values of a column are remembered."""

Cells = Sequence[str]
Column = Callable[[Cells], list[Any]]
"""Reads the cells of one column: the value of each in stored form, or ABSENT, or DOUBTFUL."""

_UNUSUAL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029]|^[^\S\n]*'", re.MULTILINE)
_EMAIL = re.compile(r"^[a-z0-9_-]{1,30}(?:\.[a-z0-9_-]{1,30})?@(?:[a-z0-9]{1,40}\.){1,3}[a-z]{2,63}$", re.MULTILINE)
"""The plainest of addresses, one to a line, which stay as they are."""
_CODE_LENGTH = 18


class ColumnParser:
    """Reads the rows of one file."""

    def __init__(self, layout: Layout, empty_values: frozenset[str], levels: Sequence[str], parser: RowParser) -> None:
        """`parser` reads the same file row by row; the rest is what it was made with."""
        self._parser = parser
        self._empty = empty_values | {""}
        self._customer: list[tuple[int, str, Column]] = []
        self._contact: list[tuple[int, str, Column]] = []
        self._others = [index for index, field in layout.columns if field.startswith(CUSTOM) or field == "owner"]
        """Columns that are read row by row in any case."""
        fields = [field for _, field in layout.columns]
        self._parted = any(field in LIST_FIELDS and fields.count(field) > 1 for field in fields)
        for index, field in layout.columns:
            if index not in self._others:
                of_contact = field.startswith(CONTACT)
                column = rules.column(field.removeprefix(CONTACT))
                (self._contact if of_contact else self._customer).append((index, column, self._reader(field, levels)))

    def parse_all(self, rows: Sequence[Row]) -> list[ParsedRow | RefusedRow]:
        """The values of each row, or all that is wrong with it."""
        plain = [] if self._parted else [row for row in rows if row.problem is None]
        read = self._read(plain) if plain else {}
        return [read.get(row.number) or self._parser.parse(row) for row in rows]

    def _read(self, rows: Sequence[Row]) -> Mapping[int, ParsedRow]:
        """The rows, by number, that nothing is doubtful about."""
        columns = list(zip(*[row.cells for row in rows], strict=True))
        doubtful: set[int] = set()
        customers = _records(columns, self._customer, len(rows), doubtful)
        contacts = _records(columns, self._contact, len(rows), doubtful)
        for place, (values, contact) in enumerate(zip(customers, contacts, strict=True)):
            if place not in doubtful and _is_doubtful(values, contact):
                doubtful.add(place)
        names = ["" if place in doubtful else one["display_name"] for place, one in enumerate(customers)]
        read: dict[int, ParsedRow] = {}
        for place, (row, values, contact, key) in enumerate(
            zip(rows, customers, contacts, normalised_all(names), strict=True)
        ):
            if place not in doubtful:
                owner, own = self._parser.others(row.cells) if self._others else ("", {})
                identity = _identity(values, key)
                read[row.number] = ParsedRow(row.number, row.cells, identity, values, own, owner, contact)
        return read

    def _reader(self, field: str, levels: Sequence[str]) -> Column:
        if field == "credit_code":
            return self._codes
        if field.endswith("phones"):
            return self._items(mobiles_in_china, partial(_list, "phones", split_phones))
        if field.endswith("emails"):
            return self._items(_plain_emails, partial(_list, "emails", split_list))
        if field == "tags":
            return Known(self._cell(lambda text: rules.CUSTOMER_RULES["tags"](split_list(text)))).all
        rule = rule_of(field, levels)
        if isinstance(rule, partial) and rule.func in (optional_text, required_text):
            return self._texts(rule, rule.keywords["maximum"])
        return Known(self._cell(rule)).all

    def _cell(self, rule: Callable[[str], Any]) -> Callable[[str], Any]:
        """How any cell is read."""

        def read(cell: str) -> Any:
            text = cell.strip()
            if text in self._empty:
                return ABSENT
            try:
                return rule(unguard(text))
            except Invalid:
                return DOUBTFUL

        return read

    def _items(self, usual: Callable[[Cells], Mapping[str, str]], slowly: Callable[[str], Any]) -> Column:
        """Lists of phone numbers or addresses, most of which hold one as it is usually written."""

        def read(cells: Cells) -> list[Any]:
            texts, empty = list(map(str.strip, cells)), self._empty
            known = usual(texts)
            return [ABSENT if text in empty else [known[text]] if text in known else slowly(text) for text in texts]

        return read

    def _texts(self, rule: Callable[[str], Any], maximum: int) -> Column:
        slowly = self._cell(rule)

        def read(cells: Cells) -> list[Any]:
            joined = "\n".join(cells)
            usual = joined.count("\n") < len(cells) and not _UNUSUAL.search(joined)
            if not usual or max(map(len, cells)) > maximum:
                return list(map(slowly, cells))
            empty = self._empty
            return [ABSENT if text in empty else text for text in map(str.strip, cells)]

        return read

    def _codes(self, cells: Cells) -> list[Any]:
        texts, empty = list(map(str.strip, cells)), self._empty
        right = right_codes([text for text in texts if len(text) == _CODE_LENGTH])
        return [text if text in right else ABSENT if text in empty else DOUBTFUL for text in texts]


class Known(dict[str, Any]):
    """What the cells of a column mean, each text judged once."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, cell: str) -> Any:
        if len(self) >= MOST_KNOWN:
            self.clear()
        value = self[cell] = self._read(cell)
        return value

    def all(self, cells: Cells) -> list[Any]:
        """The values of many cells."""
        return list(map(self.__getitem__, cells))


def right_codes(codes: Iterable[str]) -> frozenset[str]:
    """Those of some texts of 18 characters that are unified social credit codes as they stand (GB 32100-2015)."""
    plain = [code for code in codes if code.isascii()]
    if not plain:
        return frozenset()
    table = np.full(128, -1, np.int64)
    for character, value in CODE_VALUES.items():
        table[ord(character)] = value
    values = table[np.frombuffer("".join(plain).encode(), np.uint8).reshape(len(plain), _CODE_LENGTH)]
    known = (values >= 0).all(axis=1) & (values[:, :8] < 10).all(axis=1)
    fits = -(values[:, :-1] @ np.array(CODE_WEIGHTS)) % 31 == values[:, -1]
    return frozenset([plain[place] for place in np.flatnonzero(known & fits)])


def _plain_emails(texts: Cells) -> Mapping[str, str]:
    return {found[0]: found[0] for found in _EMAIL.finditer("\n".join(texts))}


def _list(field: str, split: Callable[[str], list[str]], text: str) -> Any:
    try:
        return rules.CUSTOMER_RULES[field](split(unguard(text)))
    except Invalid:
        return DOUBTFUL


def _records(
    columns: Sequence[Cells], readers: Sequence[tuple[int, str, Column]], count: int, doubtful: set[int]
) -> list[dict[str, Any]]:
    """What the rows say, by column. Adds the places of those that hold a doubtful cell."""
    names = [name for _, name, _ in readers]
    read: list[list[Any]] = []
    for index, _, reader in readers:
        values = reader(columns[index])
        if DOUBTFUL in values:
            doubtful.update(place for place, value in enumerate(values) if value is DOUBTFUL)
        read.append(values)
    rows: Iterable[tuple[Any, ...]] = zip(*read, strict=True) if read else repeat((), count)
    absent = ABSENT
    return [{name: value for name, value in zip(names, row) if value is not absent} for row in rows]  # noqa: B905


def _is_doubtful(values: Mapping[str, Any], contact: Mapping[str, Any]) -> bool:
    """Whether the values are at odds, or stand at another place than the row parser would put them."""
    if values.get("display_name") is None or (contact and contact.get("display_name") is None):
        return True
    return values.get("kind") == CustomerKind.PERSON and bool(rules.contradictions(values))


def _identity(values: Mapping[str, Any], key: str) -> Identity:
    get = values.get
    phones = get("phones")
    return Identity(
        new_id(),
        get("kind", "COMPANY"),
        key or name_key(values["display_name"]),
        get("credit_code"),
        get("external_id"),
        phones[0] if phones else "",
    )
