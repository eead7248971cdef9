"""Which format and encoding a file has, judged by its bytes rather than by its name alone."""

import codecs
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import BinaryIO

from chassis.errors import Invalid

BLOCK = 1 << 20
ZIP_MAGIC = b"PK\x03\x04"
COMPOUND_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_GB2312_PAIR = re.compile(rb"[\xa1-\xfe][\xa1-\xfe]")
_ODD_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e]")


class TableFormat(StrEnum):
    """How a table is laid out in a file."""

    CSV = "CSV"
    XLSX = "XLSX"


_ENDINGS = {
    ".csv": TableFormat.CSV,
    ".tsv": TableFormat.CSV,
    ".tab": TableFormat.CSV,
    ".txt": TableFormat.CSV,
    ".xlsx": TableFormat.XLSX,
    ".xlsm": TableFormat.XLSX,
}


def detect_format(file_name: str, file: BinaryIO) -> TableFormat:
    """The format of a file, by the ending of its name and the bytes it begins with.

    Raises Invalid: UNSUPPORTED_FORMAT for anything but text and XLSX, FILE_ENCRYPTED for a workbook with a
    password, EMPTY_FILE, or UNREADABLE_FILE if the content is not what the ending says.
    """
    file.seek(0)
    head = file.read(len(COMPOUND_MAGIC))
    if not head:
        raise Invalid("EMPTY_FILE", "the file is empty", field="file")
    if head == COMPOUND_MAGIC:
        _refuse_compound(file)
    ending = PurePath(file_name).suffix.lower()
    table_format = _ENDINGS.get(ending)
    if table_format is None:
        raise Invalid(
            "UNSUPPORTED_FORMAT",
            f"save the file as .xlsx or .csv; {ending or 'no ending'} is not read",
            field="file_name",
        )
    zipped = head.startswith(ZIP_MAGIC)
    if zipped != (table_format is TableFormat.XLSX):
        raise Invalid("UNREADABLE_FILE", f"the content of the file is not what its ending {ending} says", field="file")
    return table_format


def _refuse_compound(file: BinaryIO) -> None:
    """Old .xls workbooks and encrypted .xlsx workbooks are both OLE compound files."""
    file.seek(0)
    tail = b""
    while block := file.read(BLOCK):
        if ENCRYPTED_STREAM in tail + block:
            raise Invalid("FILE_ENCRYPTED", "the workbook has a password: remove it and upload again", field="file")
        tail = block[-len(ENCRYPTED_STREAM) :]
    raise Invalid("UNSUPPORTED_FORMAT", "this is an old .xls workbook: save it as .xlsx", field="file")


@dataclass(frozen=True)
class TextInfo:
    """What a pass over a text file found out."""

    encoding: str
    has_nul: bool


def detect_encoding(file: BinaryIO) -> TextInfo:
    """The encoding of a text file: UTF-8, UTF-16 with a byte order mark, or GB18030, checked to the last byte.

    Raises Invalid: UNREADABLE_ENCODING, with the line at fault, or UNREADABLE_FILE if it holds no lines.
    """
    file.seek(0)
    head = file.read(3)
    marked = next((encoding for bom, encoding in _BOMS if head.startswith(bom)), None)
    has_nul = _check_lines(file)
    if has_nul and marked is None:
        _refuse_unmarked_utf16(file)
    at_fault = _undecodable_line(file, marked or "utf-8")
    if at_fault is None:
        return TextInfo(marked or "utf-8", has_nul)
    if marked is None and _looks_like_gb18030(file) and _undecodable_line(file, "gb18030") is None:
        return TextInfo("gb18030", has_nul)
    raise Invalid(
        "UNREADABLE_ENCODING",
        f"line {at_fault} holds bytes that are neither UTF-8 nor GB18030: save the file as UTF-8",
        field="file",
        row=at_fault,
    )


def _check_lines(file: BinaryIO) -> bool:
    """Whether there are NULs. Refuses endless lines, which would be held in memory whole."""
    file.seek(0)
    has_nul, broken = False, True
    while block := file.read(BLOCK):
        if not broken and len(block) == BLOCK and b"\n" not in block and b"\r" not in block:
            raise Invalid("UNREADABLE_FILE", "the file has a line of more than a million characters", field="file")
        broken = b"\n" in block[-BLOCK // 2 :] or b"\r" in block[-BLOCK // 2 :]
        has_nul = has_nul or b"\0" in block
    return has_nul


def _refuse_unmarked_utf16(file: BinaryIO) -> None:
    file.seek(0)
    head = file.read(BLOCK)
    if head.count(0) * 5 > len(head):
        raise Invalid(
            "UNREADABLE_ENCODING",
            "the file is binary or UTF-16 without a byte order mark: save it as UTF-8",
            field="file",
        )


def _undecodable_line(file: BinaryIO, encoding: str) -> int | None:
    """The number of the first line that cannot be decoded, or None if all can."""
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    lines = 1
    while True:
        block = file.read(BLOCK)
        try:
            lines += decoder.decode(block, final=not block).count("\n")
        except UnicodeDecodeError as error:
            return lines + error.object[: error.start].count(b"\n")
        if not block:
            return None


def _looks_like_gb18030(file: BinaryIO) -> bool:
    """Whether bytes that are not UTF-8 are Chinese text rather than damaged UTF-8 or a Western encoding.

    GB18030 decodes almost any bytes. Damaged UTF-8 decodes as UTF-8 but for a few places; in Western text
    an accented letter is mostly followed by an ASCII one, which in Chinese text is rare.
    """
    file.seek(0)
    sound = damaged = chinese = odd = 0
    while block := file.read(BLOCK):
        text = block.decode("utf-8", "replace")
        bad = text.count("\ufffd")
        damaged += bad
        sound += sum(1 for character in text if character > "\x7f") - bad
        chinese += len(_GB2312_PAIR.findall(block))
        odd += len(_ODD_PAIR.findall(block))
    return damaged * 4 > sound and chinese > odd
