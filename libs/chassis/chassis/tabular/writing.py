"""Writing tables that open in a spreadsheet as they were meant."""

import csv
import io
import re
from collections.abc import Sequence
from typing import IO

MOST_SHEET_ROWS = 1_048_576
"""Rows that a sheet of a workbook holds."""

_TRIGGERS = frozenset("=+-@\t\r")
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # what XML cannot hold
_PLAIN_NUMBER = re.compile(r"[+-][0-9][0-9 .,-]*")


def guard(text: str) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula. Signed numbers and phone numbers stay."""
    if text.lstrip("'")[:1] in _TRIGGERS and text and not _PLAIN_NUMBER.fullmatch(text):
        return "'" + text
    return text


def unguard(text: str) -> str:
    """The cell that was guarded."""
    if text[:1] == "'" and text.lstrip("'")[:1] in _TRIGGERS and text.strip("'"):
        return text[1:]
    return text


class CsvWriter:
    """Writes CSV in UTF-8 with a byte order mark, so that spreadsheets show Chinese right."""

    def __init__(self, file: IO[bytes], heading: Sequence[str]) -> None:
        self._file = file
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer)
        self._buffer.write("\ufeff")
        self.write(heading)

    def write(self, cells: Sequence[str]) -> None:
        """Append a row."""
        self._writer.writerow([guard(cell) for cell in cells])
        if self._buffer.tell() > 1 << 16:
            self.close()

    def close(self) -> None:
        """Write what is left to the file, which stays open."""
        self._file.write(self._buffer.getvalue().encode())
        self._buffer.seek(0)
        self._buffer.truncate()


class XlsxWriter:
    """Writes a workbook of texts; what does not fit on one sheet goes to the next."""

    def __init__(self, file: IO[bytes], heading: Sequence[str]) -> None:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell

        self._file = file
        self._heading = list(heading)
        self._text_cell = WriteOnlyCell
        self._workbook = Workbook(write_only=True)
        self._start_sheet()

    def write(self, cells: Sequence[str]) -> None:
        """Append a row."""
        if self._rows == MOST_SHEET_ROWS:
            self._start_sheet()
        self._append(cells)

    def close(self) -> None:
        """Write the file. It stays open."""
        self._workbook.save(self._file)

    def _start_sheet(self) -> None:
        self._sheet = self._workbook.create_sheet()
        self._rows = 0
        self._append(self._heading)

    def _append(self, cells: Sequence[str]) -> None:
        self._sheet.append([self._cell(text) if text else None for text in cells])
        self._rows += 1

    def _cell(self, text: str) -> object:
        text = _ILLEGAL.sub("", text)
        if not text.startswith("="):
            return text
        cell = self._text_cell(self._sheet, text)
        cell.data_type = "s"
        return cell
