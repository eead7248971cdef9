"""What the fields of leads may hold, and the form they are kept in: a pure function per field, see `chassis.rules`."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from chassis.errors import Invalid, Violation
from chassis.rules import Rule, credit_code, emails, optional_text, phones, required_text

from leads.model import LeadStatus

MAX_NAME = 200
MAX_TEXT = 5_000

_BY_HAND = tuple(status for status in LeadStatus if status is not LeadStatus.CONVERTED)


def status(value: str) -> str:
    """A status that is set by hand."""
    if value not in _BY_HAND:
        raise Invalid("INVALID_STATUS", f"it must be one of {', '.join(_BY_HAND)}")
    return value


LEAD_RULES: Mapping[str, Rule] = {
    "company_name": partial(optional_text, maximum=MAX_NAME),
    "contact_name": partial(optional_text, maximum=MAX_NAME),
    "phones": phones,
    "emails": emails,
    "wechat": partial(optional_text, maximum=100),
    "credit_code": credit_code,
    "source": partial(optional_text, maximum=100),
    "channel": partial(optional_text, maximum=100),
    "source_detail": partial(optional_text, maximum=200),
    "medium": partial(optional_text, maximum=100),
    "campaign": partial(optional_text, maximum=200),
    "campaign_term": partial(optional_text, maximum=200),
    "campaign_content": partial(optional_text, maximum=200),
    "landing_page": partial(optional_text, maximum=2_000),
    "external_id": partial(optional_text, maximum=200),
    "industry": partial(optional_text, maximum=100),
    "province": partial(optional_text, maximum=100),
    "city": partial(optional_text, maximum=100),
    "requirement": partial(optional_text, maximum=MAX_TEXT, lines=True),
    "remark": partial(optional_text, maximum=MAX_TEXT, lines=True),
    "status": status,
    "status_reason": partial(optional_text, maximum=40),
    "status_note": partial(optional_text, maximum=500, lines=True),
}
"""The rule of each field that a caller states."""

REASON_RULES: Mapping[str, Rule] = {"reason": partial(required_text, maximum=500, lines=True)}
"""The same for a refusal."""


def nameless(stored: Mapping[str, Any]) -> Sequence[Violation]:
    """What is wrong with a lead that names nobody."""
    if stored.get("company_name") is None and stored.get("contact_name") is None:
        return [Violation("company_name", "REQUIRED", "name the company, or the person to talk to")]
    return []
