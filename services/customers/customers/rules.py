"""What the fields of customers and contacts may hold, and the form they are kept in.

One pure function per field, see `chassis.rules`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from chassis import formats
from chassis.errors import Invalid, Violation
from chassis.rules import (
    Rule,
    choice,
    credit_code,
    emails,
    identity_number,
    optional_text,
    phones,
    refuse,
    required_text,
)
from chassis.rules import apply as judge

from customers.model import CustomerKind, CustomerStatus

__all__ = [
    "CONTACT_RECORD_RULES",
    "CONTACT_RULES",
    "CUSTOMER_RECORD_RULES",
    "CUSTOMER_RULES",
    "LEVELS",
    "TRANSFER_RULES",
    "apply",
    "column",
    "contradictions",
    "credit_code",
    "emails",
    "identity_number",
    "phones",
    "refuse",
    "tags",
    "with_country",
    "without_mask",
]

MAX_NAME = 200
MAX_TAGS = 50
MAX_TAG = 50
MAX_REMARK = 5_000

LEVELS = ("A", "B", "C", "D", "E")

_COUNTRY = re.compile(r"[A-Z]{2}")


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


def tags(values: Sequence[str]) -> list[str]:
    """Labels, each once, sorted."""
    cleaned = {text for value in values if (text := optional_text(value, maximum=MAX_TAG))}
    if len(cleaned) > MAX_TAGS:
        raise Invalid("TOO_MANY", f"at most {MAX_TAGS} tags fit", maximum=MAX_TAGS)
    return sorted(cleaned)


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
"""The rule of each field that a caller or a file states, by its path on the wire."""

CUSTOMER_RECORD_RULES: Mapping[str, Rule] = {**CUSTOMER_RULES, "identity_number": identity_number}
"""The same with what no file states: identity numbers come in and go out one at a time."""

CONTACT_RULES: Mapping[str, Rule] = {
    "display_name": partial(required_text, maximum=MAX_NAME),
    "job_title": partial(optional_text, maximum=100),
    "phones": phones,
    "emails": emails,
    "wechat": partial(optional_text, maximum=100),
    "primary": bool,
    "remark": partial(optional_text, maximum=MAX_REMARK),
}
"""The same for contacts, in files as well."""

CONTACT_RECORD_RULES: Mapping[str, Rule] = {**CONTACT_RULES, "identity_number": identity_number}
"""The same for contacts."""

TRANSFER_RULES: Mapping[str, Rule] = {"reason": partial(optional_text, maximum=500)}
"""The same for a change of owner."""


def column(path: str) -> str:
    """The column that keeps the field."""
    return "is_primary" if path == "primary" else path.removeprefix("address.")


def apply(rules: Mapping[str, Rule], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
    """The values in their stored form by column, and what is wrong with those that cannot be right."""
    return judge(rules, values, column)


def contradictions(stored: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with a customer's values taken together, each of them being right."""
    if stored.get("kind") == CustomerKind.PERSON and stored.get("credit_code") is not None:
        return [Violation("credit_code", "INVALID_CREDIT_CODE", "a person bears no credit code")]
    if stored.get("kind") == CustomerKind.COMPANY and stored.get("identity_number") is not None:
        message = "only a person bears an identity number; a company's contacts may"
        return [Violation("identity_number", "INVALID_IDENTITY_NUMBER", message)]
    return []


def without_mask(values: Mapping[str, Any], shown: str | None) -> Mapping[str, Any]:
    """The values without an identity number that is just what the caller was shown of the present one."""
    if shown is not None and values.get("identity_number") == shown:
        return {path: value for path, value in values.items() if path != "identity_number"}
    return values


def with_country(stored: dict[str, Any]) -> dict[str, Any]:
    """The values, with China as the country of an address that names none."""
    addressed = any(stored.get(part) for part in ("province", "city", "district", "street", "postal_code"))
    return stored | {"country": "CN"} if addressed and not stored.get("country") else stored
