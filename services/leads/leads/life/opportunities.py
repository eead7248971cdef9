"""Opportunities that are asked for with a conversion, for the service that will keep them."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from chassis.custom_values import currency_code
from chassis.errors import Invalid, Violation

from leads.events import Money, OpportunityWish
from leads.rules import MAX_NAME

_AMOUNT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,4})?")


@dataclass(frozen=True)
class OpportunityDraft:
    """An opportunity as whoever converts a lead states it."""

    display_name: str
    currency_code: str = ""
    amount: str = ""
    """A decimal number; empty if nobody says."""
    expected_close_date: str = ""

    def faults(self) -> Iterator[Violation]:
        """What cannot be right."""
        if not 0 < len(self.display_name.strip()) <= MAX_NAME:
            yield Violation("opportunity.display_name", "REQUIRED", f"say it in 1 to {MAX_NAME} characters")
        if self.amount and not _AMOUNT.fullmatch(self.amount):
            message = "an amount has up to 16 digits, up to 4 more behind the point, and no sign"
            yield Violation("opportunity.amount.amount", "INVALID_AMOUNT", message)
        if self.amount and not _is_currency(self.currency_code):
            yield Violation("opportunity.amount.currency_code", "INVALID_CURRENCY", "name the currency, such as CNY")
        if self.expected_close_date and not _is_day(self.expected_close_date):
            message = "a day is written YYYY-MM-DD"
            yield Violation("opportunity.expected_close_date", "INVALID_DATE", message)

    def to_json(self) -> dict[str, Any]:
        """What is kept of it."""
        return asdict(self) | {"display_name": self.display_name.strip()}


def wish(stored: dict[str, Any] | None) -> OpportunityWish | None:
    """What is told of an opportunity that is kept in this form."""
    if stored is None:
        return None
    draft = OpportunityDraft(**stored)
    money = Money(draft.currency_code, draft.amount) if draft.amount else None
    return OpportunityWish(draft.display_name, money, draft.expected_close_date)


def _is_currency(code: str) -> bool:
    try:
        return currency_code(code) == code
    except Invalid:
        return False


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
