"""Reading a table row by row."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from chassis.errors import Invalid
from chassis.tabular import csvfile
from chassis.tabular.formats import TableFormat, detect_format
from chassis.tabular.rows import Problem, Row

__all__ = ["Problem", "Row", "Table", "open_table"]


@dataclass(frozen=True)
class Table:
    """A table in a file."""

    heading: Sequence[str]
    """The first row that is not empty, trimmed."""
    total_rows: int
    """The rows below the heading that are not empty. For XLSX it is an estimate: never too low."""
    rows: Callable[[], Iterator[Row]]
    """Reads the rows below the heading that are not empty, from the first."""


@contextmanager
def open_table(path: Path, file_name: str) -> Iterator[Table]:
    """Open a CSV or XLSX file and read its heading.

    What is wrong with a single row comes with the row, as its `problem`. Raises Invalid for what is wrong with
    the file: UNSUPPORTED_FORMAT, FILE_ENCRYPTED, EMPTY_FILE, UNREADABLE_FILE, UNREADABLE_ENCODING,
    UNCLOSED_QUOTE, FILE_TOO_LARGE (unpacked), each with the row where there is one.
    """
    with path.open("rb") as file:
        is_csv = detect_format(file_name, file) is TableFormat.CSV
    reader: Any = csvfile if is_csv else import_module("chassis.tabular.xlsxfile")  # costly, and seldom needed
    with reader.open_source(path, file_name) as source:
        rows = source.rows()
        first = next(rows, None)
        rows.close()
        if first is None:
            raise Invalid("EMPTY_FILE", "the file has no rows", field="file")
        heading = [cell.strip() for cell in first.cells]
        while heading and not heading[-1]:
            heading.pop()
        yield Table(heading, max(source.count() - 1, 0), lambda: _below(source.rows(), len(heading)))


def _below(rows: Iterator[Row], width: int) -> Iterator[Row]:
    """The rows below the heading, brought to its width."""
    next(rows)
    for row in rows:
        cells = row.cells
        if len(cells) == width:
            yield row
            continue
        if (len(cells) > width and any(cells[width:])) or (len(cells) < width and row.exact):
            yield row._replace(problem=row.problem or _ragged(len(cells), width))
        else:
            yield row._replace(cells=(cells + [""] * (width - len(cells)))[:width])


def _ragged(cells: int, width: int) -> Problem:
    return Problem("", "RAGGED_ROW", f"the row has {cells} cells, the heading {width}: check quotes and separators", "")
