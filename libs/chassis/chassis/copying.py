"""Rows for COPY in its text format, made for imports in a fraction of the time that the driver itself takes."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from chassis import written

BLOCK_LINES = 250

_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def copy_cells(cells: Sequence[str | None]) -> str:
    """A part of a line: cells as the types' text forms, None for no value."""
    texts = "".join(filter(None, cells))
    if "\\" in texts or "\t" in texts or "\n" in texts or "\r" in texts:
        cells = [cell and cell.translate(_ESCAPES) for cell in cells]
    return "\t".join([r"\N" if cell is None else cell for cell in cells])


def integer_array(values: list[int]) -> str:
    """The text form of an array of integers. By way of JSON, whose writer is twice as fast as `str`."""
    return f"{{{orjson.dumps(values)[1:-1].decode()}}}"


def text_array(values: Iterable[str | None]) -> str:
    """The text form of an array of texts."""
    values = list(values)
    if "\\" not in (dumped := orjson.dumps(values).decode()):  # else JSON escapes other characters, and otherwise
        return f"{{{dumped[1:-1]}}}"
    return f"{{{','.join(['NULL' if value is None else _quoted(value) for value in values])}}}"


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def array_of(elements: Iterable[str]) -> str:
    """The text form of an array of elements that are in theirs: quoted where they must be, NULL for no value."""
    return f"{{{','.join(list(elements))}}}"


def uuid_array(values: Iterable[UUID | None]) -> str:
    """The text form of an array of UUIDs, at a third of what the driver takes for it."""
    return f"{{{','.join(['NULL' if value is None else value.hex for value in values])}}}"


def write_lines(session: Session, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Insert rows. Errors are those of the driver, such as `psycopg.errors.UniqueViolation`."""
    lines = iter(lines)
    block = list(islice(lines, BLOCK_LINES))
    if not block:
        return
    written.note(table)
    cursor: Any = session.connection().connection.cursor()
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        while block:
            copy.write("\n".join(block) + "\n")
            block = list(islice(lines, BLOCK_LINES))
