"""Columns of thousands of new rows as COPY and JSON write them, for imports.

A column is written in one go, by the writer of JSON, and parted again. What needs to be escaped, which is rare, is
written cell by cell.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from chassis.copying import copy_cells, text_array

NO_VALUE = r"\N"
"""How COPY writes that there is no value."""
EMPTY = '""'
"""An empty text as JSON."""


class ColumnTexts(NamedTuple):
    """The values of one column."""

    cells: Sequence[str]
    """For COPY."""
    json: Sequence[str]
    """As JSON; empty where there is nothing to tell: no value, or an empty one."""


def texts(values: Sequence[str | None]) -> ColumnTexts:
    """A column of texts."""
    if not any(values):
        return ColumnTexts([NO_VALUE if value is None else "" for value in values], [""] * len(values))
    dumped = orjson.dumps([value or "" for value in values]).decode()
    if "\\" in dumped:  # else no quote stands in a text, nor anything that COPY would take for something else
        return ColumnTexts(
            [copy_cells([value]) for value in values],
            [as_json(value) if value else "" for value in values],
        )
    return ColumnTexts(
        [NO_VALUE if value is None else value for value in values],
        [f'"{part}"' if part else "" for part in dumped[2:-2].split('","')],
    )


def numbers(values: Sequence[int | None]) -> ColumnTexts:
    """A column of integers."""
    written = ["" if value is None else str(value) for value in values]
    return ColumnTexts([one or NO_VALUE for one in written], written)


def text_lists(values: Sequence[Sequence[str]]) -> ColumnTexts:
    """A column of arrays of texts."""
    dumped = orjson.dumps(values).decode()
    parts = dumped[2:-2].split("],[") if values else []
    if "\\" in dumped or len(parts) != len(values):  # else JSON differs from arrays by its brackets alone
        return ColumnTexts(
            [copy_cells([text_array(value)]) for value in values],
            [as_json(value) if value else "" for value in values],
        )
    return ColumnTexts([f"{{{part}}}" for part in parts], [f"[{part}]" if part else "" for part in parts])


def as_json(value: Any) -> str:
    """One value."""
    return orjson.dumps(value).decode()


def objects(members: Mapping[str, Iterable[str]]) -> list[str]:
    """JSON objects, as `chassis.audit` writes contents, given the JSON of each member by its name, empty for none."""
    written = [[f'"{name}":{value},' if value else "" for value in values] for name, values in sorted(members.items())]
    return [f"{{{''.join(parts)[:-1]}}}" for parts in zip(*written, strict=True)]
