"""What the fields of a record may hold, and the form they are kept in.

One pure function per kind of field, so that a form, a caller and an import are judged alike. A function returns the
value in its stored form, None for an absent text, and raises Invalid for what cannot be right.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

from chassis import formats
from chassis.errors import Invalid, Violation

Rule = Callable[[Any], Any]

MAX_LIST = 20

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BREAK = re.compile(r"\s*[\t\n\r\u2028\u2029]\s*")


def optional_text(value: str, *, maximum: int, lines: bool = False) -> str | None:
    """A text without white space at its ends. Control characters are refused.

    A text of several `lines` keeps its line breaks and tabs. In any other they become a space, as names that were
    pasted or come from the cells of spreadsheets hold them by mistake.
    """
    text = value.replace("\r\n", "\n").strip()
    if not lines and _BREAK.search(text):
        text = _BREAK.sub(" ", text)
    if len(text) > maximum:
        raise Invalid("TOO_LONG", f"at most {maximum:,} characters fit, not {len(text):,}", maximum=maximum)
    if _CONTROL.search(text):
        raise Invalid("INVALID_TEXT", "the text holds control characters")
    return text or None


def required_text(value: str, *, maximum: int, lines: bool = False) -> str:
    """A text that must not be empty."""
    text = optional_text(value, maximum=maximum, lines=lines)
    if text is None:
        raise Invalid("REQUIRED", "a value is needed")
    return text


def credit_code(value: str) -> str | None:
    """A unified social credit code, its check digit verified (GB 32100-2015)."""
    if not value.strip():
        return None
    try:
        return str(uscc.validate(value))
    except ValidationError:
        raise Invalid(
            "INVALID_CREDIT_CODE", "this is no unified social credit code: 18 characters, the last a check digit"
        ) from None


_CHINESE_ID = re.compile(r"[0-9]{17}[0-9X]")
_DOCUMENT = re.compile(r"[0-9A-Z]{5,20}")


def identity_number(value: str) -> str | None:
    """The number of a person's identity document, in capitals and without spaces and hyphens.

    18 digits, or 17 and an X, are a Chinese identity card (身份证), whose birth date, place and check digit are
    verified (GB 11643-1999); of other documents, such as passports, only the form.
    """
    number = re.sub(r"[\s-]", "", value).upper()
    if not number:
        return None
    if not (ric.is_valid(number) if _CHINESE_ID.fullmatch(number) else _DOCUMENT.fullmatch(number)):
        raise Invalid(
            "INVALID_IDENTITY_NUMBER",
            "this is no identity number: 18 characters of an identity card, the last a check digit, "
            "or 5 to 20 letters and digits of another document",
        )
    return number


def phones(values: Sequence[str]) -> list[str]:
    """Phone numbers in E.164, each once, in the order given."""
    return _distinct(formats.phone, values)


def emails(values: Sequence[str]) -> list[str]:
    """E-mail addresses, each once, in the order given."""
    return _distinct(formats.email, values)


def choice(value: str, *, values: type[StrEnum], reason: str) -> str:
    """One of the names of an enumeration."""
    if value not in values.__members__:
        raise Invalid(reason, f"it must be one of {', '.join(values.__members__)}")
    return value


def _distinct(rule: Callable[[str], str], values: Sequence[str]) -> list[str]:
    if len(values) > MAX_LIST:
        raise Invalid("TOO_MANY", f"at most {MAX_LIST} fit", maximum=MAX_LIST)
    if len(values) == 1 and values[0].strip():  # as nearly always in the files that are imported
        return [rule(values[0])]
    return list(dict.fromkeys(rule(value) for value in values if value.strip()))


def _same(path: str) -> str:
    return path


def apply(
    rules: Mapping[str, Rule], values: Mapping[str, Any], column: Callable[[str], str] = _same
) -> tuple[dict[str, Any], list[Violation]]:
    """The values in their stored form by column, and what is wrong with those that cannot be right.

    `column` says which column keeps the field of a path; if not given, they have the same name.
    """
    stored: dict[str, Any] = {}
    faults: list[Violation] = []
    for path, value in values.items():
        try:
            stored[column(path)] = rules[path](value)
        except Invalid as error:
            faults.append(Violation(path, error.reason, error.message))
    return stored, faults


def refuse(faults: Sequence[Violation]) -> None:
    """Raise Invalid if anything is wrong, naming every field at fault."""
    if len(faults) == 1:
        raise Invalid(faults[0].reason, faults[0].message, field=faults[0].field)
    if faults:
        message = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        raise Invalid("INVALID_FIELDS", message, violations=list(faults))
