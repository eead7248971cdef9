"""Texts in which names in braces stand for values. Nothing but names is understood: no attributes, no formats."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from chassis.custom_formulas import at_home
from chassis.errors import Invalid

MAX_VALUE = 200
"""How much of a value a text shows."""

Parts = Sequence[tuple[str, str]]
"""Literal text, each with the name that follows it, or the empty string."""


def parse(text: str, names: Mapping[str, Any], *, path: str) -> Parts:
    """The parts of a text. Raises Invalid INVALID_TEMPLATE or UNKNOWN_VARIABLE."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        message = "a single brace opens or closes nothing; write {{ and }} for braces themselves"
        raise Invalid("INVALID_TEMPLATE", message, field=path) from None
    found = []
    for literal, name, form, conversion in parts:
        if name is not None and (form or conversion):
            raise Invalid("INVALID_TEMPLATE", "write nothing but a name between braces", field=path)
        if name is not None and name not in names:
            raise Invalid("UNKNOWN_VARIABLE", f"there is no {name[:100]!r} to put there", field=path)
        found.append((literal, name or ""))
    return found


def named(parts: Parts) -> frozenset[str]:
    """The names in a text."""
    return frozenset(name for _, name in parts if name)


def render(parts: Parts, values: Mapping[str, Any], zone: ZoneInfo) -> str:
    """The text with values in place. What has no value shows nothing."""
    return "".join(literal + (_shown(values.get(name), zone) if name else "") for literal, name in parts)


def _shown(value: Any, zone: ZoneInfo) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return str(at_home(value, zone).strftime("%Y-%m-%d %H:%M"))
    if isinstance(value, list):
        return "、".join(map(str, value))[:MAX_VALUE]
    return str(value)[:MAX_VALUE]
