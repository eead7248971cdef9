"""What the fields of customers and contacts may hold, and the form they are kept in.

One pure function per field, see `chassis.rules`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Any

from chassis import formats
from chassis.errors import Invalid, Violation
from chassis.names import parse_optional_name
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

from customers.model import CustomerKind, CustomerStatus, DecisionRole, RelationKind, Stance
from customers.model.decisions import MOST_INFLUENCE

__all__ = [
    "CONTACT_RECORD_RULES",
    "CONTACT_RULES",
    "CUSTOMER_RECORD_RULES",
    "CUSTOMER_RULES",
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

_LEVEL = re.compile(r"[\w-]{1,20}")
UNSPECIFIED = "UNSPECIFIED"
"""What a choice is called on the wire that nobody has made."""

_EARLIEST_BIRTH = date(1900, 1, 1)
_COUNTRY = re.compile(r"[A-Z]{2}")


def level(value: str) -> str | None:
    """A level in the form of a tier's code. Which tiers there are, see `customers.tiers.vocabulary`."""
    text = value.strip().upper()
    if text and not _LEVEL.fullmatch(text):
        raise Invalid("INVALID_LEVEL", "a level is the code of a tier: 1 to 20 letters, digits, - and _")
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


def optional_choice(value: str, *, values: type[StrEnum], reason: str) -> str | None:
    """One of the names of an enumeration, or none."""
    return choice(value, values=values, reason=reason) if value and value != UNSPECIFIED else None


def influence(value: int | str) -> int | None:
    """A weight from 1 to 5; 0 for none."""
    text = str(value).strip()
    if text in ("", "0"):
        return None
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= MOST_INFLUENCE:
        raise Invalid("OUT_OF_RANGE", f"influence goes from 1 to {MOST_INFLUENCE}")
    return int(text)


def birthday(value: str) -> date | None:
    """A day of birth, as `YYYY-MM-DD`."""
    day = optional_date(value)
    if day is not None and day < _EARLIEST_BIRTH:
        raise Invalid("INVALID_DATE", "nobody who was born then is alive")
    return day


def optional_date(value: str) -> date | None:
    """A day, as `YYYY-MM-DD`."""
    text = value.strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("INVALID_DATE", "a day is written as YYYY-MM-DD") from None


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
    "remark": partial(optional_text, maximum=MAX_REMARK, lines=True),
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
    "decision_role": partial(optional_choice, values=DecisionRole, reason="INVALID_DECISION_ROLE"),
    "influence": influence,
    "stance": partial(optional_choice, values=Stance, reason="INVALID_STANCE"),
    "birthday": birthday,
    "remark": partial(optional_text, maximum=MAX_REMARK, lines=True),
}
"""The same for contacts, in files as well."""

CONTACT_RECORD_RULES: Mapping[str, Rule] = {
    **CONTACT_RULES,
    "identity_number": identity_number,
    "reports_to": partial(parse_optional_name, "contacts", field="reports_to"),
}
"""The same for contacts, and whom they report to."""

RELATION_RULES: Mapping[str, Rule] = {
    "kind": partial(choice, values=RelationKind, reason="INVALID_RELATION_KIND"),
    "valid_from": optional_date,
    "valid_until": optional_date,
    "remark": partial(optional_text, maximum=MAX_REMARK, lines=True),
}
"""The same for how customers stand to one another."""

TRANSFER_RULES: Mapping[str, Rule] = {"reason": partial(optional_text, maximum=500, lines=True)}
"""The same for a change of owner."""


def column(path: str) -> str:
    """The column that keeps the field."""
    return {"primary": "is_primary", "reports_to": "reports_to_id"}.get(path) or path.removeprefix("address.")


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
    get = stored.get
    if get("country"):
        return stored
    addressed = get("province") or get("city") or get("district") or get("street") or get("postal_code")
    return stored | {"country": "CN"} if addressed else stored
