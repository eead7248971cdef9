"""Reading text tables: any of the usual separators, quoted cells with line breaks, `sep=` lines."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from chassis.errors import Invalid
from chassis.tabular.formats import TextInfo, detect_encoding
from chassis.tabular.rows import Problem, Row

DELIMITERS = (",", "\t", ";", "|")
SAMPLE_ROWS = 20


@dataclass(frozen=True)
class CsvSource:
    """A text table that can be read any number of times."""

    path: Path
    text: TextInfo
    delimiter: str
    has_sep_line: bool

    def rows(self) -> Iterator[Row]:
        """All rows that are not empty."""
        lines = _Lines(_text(self.path, self.text))
        if self.has_sep_line:
            next(lines)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        number = 0
        while True:
            number += 1
            lines.recent.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._malformed(number, lines, error)
                continue
            if not any(cells):
                continue
            problem = _nul_problem(cells) if self.text.has_nul else None
            yield Row(number, cells, problem)

    def count(self) -> int:
        """How many rows are not empty. Finds an unclosed quote before anything is done with the rows."""
        lines = _text(self.path, self.text)
        if self.has_sep_line:
            next(lines)
        try:
            return sum(map(any, csv.reader(lines, delimiter=self.delimiter, strict=True)))
        except csv.Error:
            return sum(1 for _ in self.rows())

    def _malformed(self, number: int, lines: "_Lines", error: csv.Error) -> Row:
        message = str(error)
        if "end of data" in message or "field limit" in message:
            raise Invalid(
                "UNCLOSED_QUOTE", f"row {number} opens a quote that is never closed", field="file", row=number
            ) from None
        cells = next(csv.reader(lines.recent, delimiter=self.delimiter), [])
        return Row(number, cells, Problem("", "MALFORMED_QUOTES", "a quoted cell goes on after its closing quote", ""))


class _Lines:
    """The lines of a text, keeping those of the row that is being read."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.recent: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.recent.append(line)
        return line


@contextmanager
def open_source(path: Path, file_name: str) -> Iterator[CsvSource]:
    """Find out how a text table is to be read. Raises Invalid if it is in no encoding we read."""
    with path.open("rb") as file:
        text = detect_encoding(file)
    sample = "".join(islice(_text(path, text), SAMPLE_ROWS * 5))
    if sample[:4].lower() == "sep=" and sample[4:5] and sample[5:6] in "\r\n":
        yield CsvSource(path, text, sample[4], has_sep_line=True)
    else:
        yield CsvSource(path, text, _sniff(sample, file_name), has_sep_line=False)


def _text(path: Path, text: TextInfo) -> Iterator[str]:
    """The lines of the file, their ends as they are."""
    with path.open(encoding=text.encoding, newline="") as lines:
        yield from lines


def _sniff(sample: str, file_name: str) -> str:
    """The separator under which most rows are as wide as the heading, the widest heading first among equals."""
    preferred = "\t" if PurePath(file_name).suffix.lower() in (".tsv", ".tab") else ","
    best, best_score = preferred, (0.0, 0, 0)
    for delimiter in DELIMITERS:
        rows = [
            row for row in islice(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), SAMPLE_ROWS) if row
        ]
        if not rows or len(rows[0]) < 2:
            continue
        alike = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        score = (round(alike, 1), len(rows[0]), int(delimiter == preferred))
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _nul_problem(cells: list[str]) -> Problem | None:
    if any("\0" in cell for cell in cells):
        return Problem("", "CONTROL_CHARACTER", "the row holds NUL characters: remove them", "")
    return None
