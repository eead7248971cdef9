"""Cells of the company's own fields: from the text that people type to the value that the field takes."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from chassis.transfers import split_list

TRUE = frozenset({"是", "true", "yes", "y", "1", "√", "对", "有"})
FALSE = frozenset({"否", "false", "no", "n", "0", "×", "错", "无"})

_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{4})(\d{2})(\d{2})")
_TIME = re.compile(r"(.+?)[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?")


def reader(field_type: str, zone: ZoneInfo) -> Callable[[str], Any]:
    """How to read a cell of a field of this type. What cannot be read is returned as it is, for the field to refuse."""
    match field_type:
        case "NUMBER":
            return lambda text: text.replace(",", "").replace("，", "")
        case "BOOLEAN":
            return _boolean
        case "DATE":
            return lambda text: _date(text) or text
        case "DATETIME":
            return lambda text: _moment(text, zone)
        case "MULTI_CHOICE":
            return split_list
    return lambda text: text


def _boolean(text: str) -> Any:
    folded = text.casefold()
    return True if folded in TRUE else False if folded in FALSE else text


def _date(text: str) -> str | None:
    match = _DATE.fullmatch(text.removesuffix(" 00:00:00"))
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups() if part)
    return f"{year:04}-{month:02}-{day:02}"


def _moment(text: str, zone: ZoneInfo) -> str:
    """A point in time; without an offset it is the organisation's."""
    match = _TIME.fullmatch(text)
    day = _date(match[1] if match else text)
    if day is None:
        return text
    hour, minute, second = (int(part or 0) for part in match.groups()[1:]) if match else (0, 0, 0)
    try:
        return datetime.fromisoformat(f"{day}T{hour:02}:{minute:02}:{second:02}").replace(tzinfo=zone).isoformat()
    except ValueError:
        return text
