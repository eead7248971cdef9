"""Reading XLSX workbooks: the first visible sheet, cell by cell as people see them.

The sheet is parsed as a stream (openpyxl takes ten times as long), so that only the shared texts are in memory.
"""

import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from chassis.errors import Invalid
from chassis.tabular.rows import Problem, Row

# openpyxl is imported where it is needed: processes that read no workbook do without its 8 MiB.

BLOCK = 1 << 18
MOST_UNPACKED = 2 << 30
"""Bytes that a workbook may unpack to."""
MOST_SHARED = 256 << 20
"""Bytes that its shared texts, which are held in memory, may unpack to."""
EXACT_INTEGER = 10**15
"""Spreadsheets keep 15 digits of a number; of a longer one, such as an identity number, the rest is lost."""

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ZEROS = re.compile(r"0{2,}")
_LETTERS = re.compile(r"[A-Z]+")


class _Styles(NamedTuple):
    """The number format of each cell style."""

    formats: list[str]
    dates: list[bool]
    epoch: datetime


@dataclass(frozen=True)
class XlsxSource:
    """A sheet that can be read any number of times."""

    archive: zipfile.ZipFile
    sheet: str
    shared: list[str]
    styles: _Styles

    def rows(self) -> Iterator[Row]:
        """All rows that are not empty."""
        parser = _SheetParser(self.shared, self.styles)
        with _refusing_damage(), self.archive.open(self.sheet) as stream:
            for row in parser.parse(stream):
                if any(row.cells):
                    yield row

    def count(self) -> int:
        """About how many rows the sheet has; empty ones with a format count too."""
        with _refusing_damage(), self.archive.open(self.sheet) as stream:
            found, tail = 0, b""
            while block := stream.read(BLOCK):
                joined = tail + block
                found += joined.count(b"<row ") + joined.count(b":row ")
                tail = block[-4:]
        return found


@contextmanager
def open_source(path: Path, file_name: str) -> Iterator[XlsxSource]:
    """Open the workbook at its first visible sheet. Raises Invalid if it is damaged or unpacks to too much."""
    from openpyxl.utils import datetime as datetimes

    del file_name
    with ExitStack() as stack:
        with _refusing_damage():
            archive = stack.enter_context(zipfile.ZipFile(path))
            _check_size(archive)
            sheet, mac_dates = _first_sheet(archive)
            epoch = datetimes.CALENDAR_MAC_1904 if mac_dates else datetimes.CALENDAR_WINDOWS_1900
            source = XlsxSource(archive, sheet, _shared_texts(archive), _styles(archive, epoch))
        yield source


_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    expat.ExpatError,
    LookupError,
    ValueError,
    EOFError,
    NotImplementedError,  # packed by a method that zipfile does not know
)


@contextmanager
def _refusing_damage() -> Iterator[None]:
    try:
        yield
    except _DAMAGE:
        raise Invalid("UNREADABLE_FILE", "the workbook is damaged: open it and save it again", field="file") from None


def _check_size(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    shared = sum(entry.file_size for entry in entries if entry.filename.endswith("sharedStrings.xml"))
    if sum(entry.file_size for entry in entries) > MOST_UNPACKED or shared > MOST_SHARED:
        raise Invalid("FILE_TOO_LARGE", "the workbook unpacks to too much: save it as .csv", field="file")
    if any(entry.flag_bits & 1 for entry in entries):
        raise Invalid("FILE_ENCRYPTED", "the file has a password: remove it and upload again", field="file")


def _first_sheet(archive: zipfile.ZipFile) -> tuple[str, bool]:
    """The path of the first visible sheet, and whether dates count from 1904."""
    workbook = _document(archive, "xl/workbook.xml")
    relations = {
        relation.get("Id"): relation.get("Target", "")
        for relation in _document(archive, "xl/_rels/workbook.xml.rels")
        if relation.get("Type", "").endswith("/worksheet")
    }
    properties = workbook.find(f"{_MAIN}workbookPr")
    mac_dates = properties is not None and properties.get("date1904") in ("1", "true")
    for sheet in workbook.iter(f"{_MAIN}sheet"):
        target = relations.get(sheet.get(_RELATION))
        if target and sheet.get("state", "visible") == "visible":
            return (target[1:] if target.startswith("/") else f"xl/{target}"), mac_dates
    raise Invalid("UNREADABLE_FILE", "the workbook has no visible sheet", field="file")


def _styles(archive: zipfile.ZipFile, epoch: datetime) -> _Styles:
    from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

    if "xl/styles.xml" not in archive.namelist():
        return _Styles([], [], epoch)
    document = _document(archive, "xl/styles.xml")
    own = {int(f.get("numFmtId", 0)): f.get("formatCode", "") for f in document.iter(f"{_MAIN}numFmt")}
    cell_styles = document.find(f"{_MAIN}cellXfs")
    ids = [int(style.get("numFmtId", 0)) for style in cell_styles] if cell_styles is not None else []
    formats = [own.get(number, BUILTIN_FORMATS.get(number, "General")) for number in ids]
    return _Styles(formats, [bool(is_date_format(code)) for code in formats], epoch)


def _shared_texts(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    with archive.open("xl/sharedStrings.xml") as stream:
        return _SharedParser().parse(stream)


class _SharedParser:
    """Reads the texts that cells refer to by number."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._pieces: list[str] = []
        self._ignored = self._inside = False

    def parse(self, stream: IO[bytes]) -> list[str]:
        """All texts, in order."""
        parser = _parser(self._start, self._end, self._text)
        while block := stream.read(BLOCK):
            parser.Parse(block)
        parser.Parse(b"", True)  # noqa: FBT003  (expat takes it by position only)
        return self._texts

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "si":
            self._pieces.clear()
        elif name == "rPh":  # the reading of Japanese characters, not part of the text
            self._ignored = True
        elif name == "t":
            self._inside = not self._ignored

    def _text(self, data: str) -> None:
        if self._inside:
            self._pieces.append(data)

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name == "si":
            self._texts.append("".join(self._pieces))
        elif name == "rPh":
            self._ignored = False
        elif name == "t":
            self._inside = False


class _SheetParser:
    """Turns the XML of a sheet into rows."""

    def __init__(self, shared: list[str], styles: _Styles) -> None:
        self._shared, self._styles = shared, styles
        self._done: list[Row] = []
        self._number = 0
        self._cells: list[str] = []
        self._problem: Problem | None = None
        self._column = 0
        self._type = self._style = self._reference = ""
        self._formula = self._inside = False
        self._pieces: list[str] = []

    def parse(self, stream: IO[bytes]) -> Iterator[Row]:
        """All rows of the sheet."""
        parser = _parser(self._start, self._end, self._text)
        while True:
            block = stream.read(BLOCK)
            parser.Parse(block, not block)
            yield from self._done
            self._done.clear()
            if not block:
                return

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if name == "c":
            self._reference = attributes.get("r", "")
            self._column = _column(self._reference) if self._reference else len(self._cells)
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s", "")
            self._formula = False
            self._pieces.clear()
        elif name in ("v", "t"):
            self._inside = True
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._number = int(attributes.get("r") or self._number + 1)
            self._cells, self._problem = [], None

    def _text(self, data: str) -> None:
        if self._inside:
            self._pieces.append(data)

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name in ("v", "t"):
            self._inside = False
        elif name == "c":
            self._end_cell("".join(self._pieces))
        elif name == "row":
            self._done.append(Row(self._number, self._cells, self._problem, exact=False))

    def _end_cell(self, raw: str) -> None:
        if self._formula:
            self._fault("UNSUPPORTED_FORMULA", "holds a formula: paste it as a value", raw)
        elif not raw:
            return
        value = raw if self._formula else self._value(raw)
        if missing := self._column - len(self._cells):
            self._cells.extend([""] * missing)
        self._cells.append(value)

    def _value(self, raw: str) -> str:
        match self._type:
            case "s":
                return self._shared[int(raw)] if raw.isdecimal() and int(raw) < len(self._shared) else ""
            case "str" | "inlineStr":
                return raw
            case "b":
                return "TRUE" if raw == "1" else "FALSE"
            case "e":
                self._fault("CELL_ERROR", "holds an error instead of a value", raw)
                return raw
            case "d":
                return raw.replace("T00:00:00", "").replace("T", " ")
        return self._number_text(raw)

    def _number_text(self, raw: str) -> str:
        try:
            value = float(raw)
        except ValueError:
            return raw
        style = int(self._style) if self._style.isdecimal() else -1
        if 0 <= style < len(self._styles.dates) and self._styles.dates[style]:
            return _date_text(value, self._styles.epoch)
        if abs(value) >= EXACT_INTEGER:
            self._fault("NUMBER_TOO_LONG", "lost digits: format the column as text and type it again", raw)
        return _shown(value, self._styles.formats[style] if 0 <= style < len(self._styles.formats) else "General")

    def _fault(self, reason: str, message: str, value: str) -> None:
        if self._problem is None:
            self._problem = Problem(self._reference, reason, f"cell {self._reference} {message}", value)


def _shown(value: float, number_format: str) -> str:
    """A number as text: no `.0`, no exponent, percents and leading zeros as the format shows them."""
    if number_format.endswith("%"):
        return f"{round(value * 100, 10):.15g}%"
    if value.is_integer() and math.isfinite(value):
        return str(int(value)).zfill(len(number_format) if _ZEROS.fullmatch(number_format) else 0)
    text = f"{value:.15g}"
    return text if "e" not in text else f"{value:.20f}".rstrip("0")


def _date_text(value: float, epoch: datetime) -> str:
    from openpyxl.utils.datetime import from_excel

    try:
        moment = from_excel(value, epoch)
    except (OverflowError, ValueError):
        return f"{value:.15g}"
    if isinstance(moment, timedelta):
        return str(moment)
    if isinstance(moment, time):
        return moment.isoformat(timespec="seconds")
    if isinstance(moment, datetime) and (moment.hour, moment.minute, moment.second) != (0, 0, 0):
        return moment.isoformat(" ", timespec="seconds")
    return moment.date().isoformat() if isinstance(moment, datetime) else date.isoformat(moment)


def _column(reference: str) -> int:
    """The column of `B7`, counted from 0."""
    letters = _LETTERS.match(reference)
    number = 0
    for letter in letters[0] if letters else "A":
        number = number * 26 + ord(letter) - 64
    return number - 1


def _document(archive: zipfile.ZipFile, path: str) -> ElementTree.Element:
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = lambda name, attributes: builder.start(
        _qualified(name), {_qualified(key): value for key, value in attributes.items()}
    )
    parser.EndElementHandler = lambda name: builder.end(_qualified(name))
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.Parse(archive.read(path), True)  # noqa: FBT003
    return builder.close()


def _qualified(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _parser(start: object, end: object, text: object) -> expat.XMLParserType:
    """A parser whose handlers get names without prefixes."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start  # type: ignore[assignment]
    parser.EndElementHandler = end  # type: ignore[assignment]
    parser.CharacterDataHandler = text  # type: ignore[assignment]
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*declaration: object) -> None:
    # A document type can define entities that expand to gigabytes, and no spreadsheet writes one.
    raise Invalid("UNREADABLE_FILE", "the workbook declares a document type", field="file")
