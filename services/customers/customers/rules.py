"""What the fields of customers and contacts may hold, and the form they are kept in.

One pure function per field, so that a form, a caller and an import are judged alike. A function returns the value
in its stored form, None for an absent text, and raises Invalid for what cannot be right.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

from chassis import formats
from chassis.errors import Invalid, Violation
from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

from customers.model import CustomerKind, CustomerStatus

Rule = Callable[[Any], Any]

MAX_NAME = 200
MAX_LIST = 20
MAX_TAGS = 50
MAX_TAG = 50
MAX_REMARK = 5_000

LEVELS = ("A", "B", "C", "D", "E")

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_COUNTRY = re.compile(r"[A-Z]{2}")


def optional_text(value: str, *, maximum: int) -> str | None:
    """A text without white space at its ends. Line breaks are kept, other control characters refused."""
    text = value.replace("\r\n", "\n").strip()
    if len(text) > maximum:
        raise Invalid("TOO_LONG", f"at most {maximum:,} characters fit, not {len(text):,}", maximum=maximum)
    if _CONTROL.search(text):
        raise Invalid("INVALID_TEXT", "the text holds control characters")
    return text or None


def required_text(value: str, *, maximum: int) -> str:
    """A text that must not be empty."""
    text = optional_text(value, maximum=maximum)
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


def level(value: str) -> str | None:
    """A level, A to E."""
    text = value.strip().upper()
    if text and text not in LEVELS:
        raise Invalid("INVALID_LEVEL", f"a level is one of {', '.join(LEVELS)}")
    return text or None


def country(value: str) -> str | None:
    """A country by its ISO 3166-1 alpha-2 code."""
    text = value.strip().upper()
    if text and not _COUNTRY.fullmatch(text):
        raise Invalid("INVALID_COUNTRY", "a country is written as two letters, e.g. CN")
    return text or None


def website(value: str) -> str | None:
    """A web address."""
    return formats.url(value) if value.strip() else None


def phones(values: Sequence[str]) -> list[str]:
    """Phone numbers in E.164, each once, in the order given."""
    return _distinct(formats.phone, values)


def emails(values: Sequence[str]) -> list[str]:
    """E-mail addresses, each once, in the order given."""
    return _distinct(formats.email, values)


def tags(values: Sequence[str]) -> list[str]:
    """Labels, each once, sorted."""
    cleaned = {text for value in values if (text := optional_text(value, maximum=MAX_TAG))}
    if len(cleaned) > MAX_TAGS:
        raise Invalid("TOO_MANY", f"at most {MAX_TAGS} tags fit", maximum=MAX_TAGS)
    return sorted(cleaned)


def choice(value: str, *, values: type[StrEnum], reason: str) -> str:
    """One of the names of an enumeration."""
    if value not in values.__members__:
        raise Invalid(reason, f"it must be one of {', '.join(values.__members__)}")
    return value


def _distinct(rule: Callable[[str], str], values: Sequence[str]) -> list[str]:
    if len(values) > MAX_LIST:
        raise Invalid("TOO_MANY", f"at most {MAX_LIST} fit", maximum=MAX_LIST)
    return list(dict.fromkeys(rule(value) for value in values if value.strip()))


CUSTOMER_RULES: Mapping[str, Rule] = {
    "kind": partial(choice, values=CustomerKind, reason="INVALID_KIND"),
    "display_name": partial(required_text, maximum=MAX_NAME),
    "credit_code": credit_code,
    "status": partial(choice, values=CustomerStatus, reason="INVALID_STATUS"),
    "level": level,
    "industry": partial(optional_text, maximum=100),
    "source": partial(optional_text, maximum=100),
    "phones": phones,
    "emails": emails,
    "website": website,
    "address.country": country,
    "address.province": partial(optional_text, maximum=100),
    "address.city": partial(optional_text, maximum=100),
    "address.district": partial(optional_text, maximum=100),
    "address.street": partial(optional_text, maximum=300),
    "address.postal_code": partial(optional_text, maximum=20),
    "tags": tags,
    "remark": partial(optional_text, maximum=MAX_REMARK),
    "external_id": partial(optional_text, maximum=100),
}
"""The rule of each field that a caller states, by its path on the wire."""

CONTACT_RULES: Mapping[str, Rule] = {
    "display_name": partial(required_text, maximum=MAX_NAME),
    "job_title": partial(optional_text, maximum=100),
    "phones": phones,
    "emails": emails,
    "wechat": partial(optional_text, maximum=100),
    "primary": bool,
    "remark": partial(optional_text, maximum=MAX_REMARK),
}
"""The same for contacts."""

TRANSFER_RULES: Mapping[str, Rule] = {"reason": partial(optional_text, maximum=500)}
"""The same for a change of owner."""


def column(path: str) -> str:
    """The column that keeps the field."""
    return "is_primary" if path == "primary" else path.removeprefix("address.")


def apply(rules: Mapping[str, Rule], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
    """The values in their stored form by column, and what is wrong with those that cannot be right."""
    stored: dict[str, Any] = {}
    faults: list[Violation] = []
    for path, value in values.items():
        try:
            stored[column(path)] = rules[path](value)
        except Invalid as error:
            faults.append(Violation(path, error.reason, error.message))
    return stored, faults


def contradictions(stored: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with a customer's values taken together, each of them being right."""
    if stored.get("kind") == CustomerKind.PERSON and stored.get("credit_code") is not None:
        return [Violation("credit_code", "INVALID_CREDIT_CODE", "a person bears no credit code")]
    return []


def with_country(stored: dict[str, Any]) -> dict[str, Any]:
    """The values, with China as the country of an address that names none."""
    addressed = any(stored.get(part) for part in ("province", "city", "district", "street", "postal_code"))
    return stored | {"country": "CN"} if addressed and not stored.get("country") else stored


def refuse(faults: Sequence[Violation]) -> None:
    """Raise Invalid if anything is wrong, naming every field at fault."""
    if len(faults) == 1:
        raise Invalid(faults[0].reason, faults[0].message, field=faults[0].field)
    if faults:
        message = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        raise Invalid("INVALID_FIELDS", message, violations=list(faults))
