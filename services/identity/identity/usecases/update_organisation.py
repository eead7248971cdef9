"""Change the company's profile."""

from collections.abc import Collection, Set
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TypeVar
from zoneinfo import available_timezones

import pycountry
from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag
from chassis.rules import credit_code

from identity.company import announce, get_profile
from identity.model import LOCALES, ORGANISATION_NAME, OrganisationProfile, StatutoryCalendar, label

FIELDS = frozenset(
    {
        "display_name",
        "credit_code",
        "locale",
        "currency",
        "time_zone",
        "fiscal_year_start_month",
        "fiscal_year_start_day",
        "first_day_of_week",
        "statutory_calendar",
    }
)
_COMMON_YEAR = 2001

Value = TypeVar("Value")


@dataclass(frozen=True)
class OrganisationDraft:
    """What callers say of the company."""

    display_name: str = ""
    credit_code: str = ""
    locale: str = ""
    currency: str = ""
    time_zone: str = ""
    fiscal_year_start_month: int = 0
    fiscal_year_start_day: int = 0
    first_day_of_week: int = 0
    statutory_calendar: StatutoryCalendar | None = None


def update_organisation(
    session: ServiceSession, draft: OrganisationDraft, paths: Set[str], etag: str
) -> OrganisationProfile:
    """Change the fields at `paths` to what the draft says, and tell all services."""
    session.caller.require_everything("organisation.update")
    profile = get_profile(session, lock=True)
    check_etag(etag, profile.version)
    before = profile.snapshot()
    for path in sorted(paths):
        setattr(profile, path, _judged(path, draft))
    if not {"fiscal_year_start_month", "fiscal_year_start_day"}.isdisjoint(paths):
        _check_day(profile.fiscal_year_start_month, profile.fiscal_year_start_day)
    if profile.snapshot() == before:
        return profile
    profile.version += 1
    profile.update_time = session.now
    audit.record(session, "organisation.update", ORGANISATION_NAME, before, profile.snapshot())
    announce(session, profile)
    return profile


def _judged(path: str, draft: OrganisationDraft) -> object:
    """The value of a field in its stored form. Raises Invalid, naming the field."""
    match path:
        case "display_name":
            return label(draft.display_name, field=path)
        case "credit_code":
            return _credit_code(draft.credit_code)
        case "locale":
            return _one_of(
                draft.locale, LOCALES, "INVALID_LOCALE", f"the language is one of {', '.join(LOCALES)}", path
            )
        case "currency":
            return currency(draft.currency)
        case "time_zone":
            message = f"{draft.time_zone[:50]!r} is no IANA time zone such as Asia/Shanghai"
            return _one_of(draft.time_zone, _zones(), "INVALID_TIME_ZONE", message, path)
        case "first_day_of_week":
            message = "say which day weeks begin with"
            return _one_of(draft.first_day_of_week, range(1, 8), "INVALID_DAY_OF_WEEK", message, path)
        case "statutory_calendar":
            if draft.statutory_calendar is None:
                raise Invalid("REQUIRED", "say which statutory calendar holds, or NONE", field=path)
            return draft.statutory_calendar.value
    return getattr(draft, path)


def _one_of(value: Value, allowed: Collection[Value], reason: str, message: str, field: str) -> Value:
    if value not in allowed:
        raise Invalid(reason, message, field=field)
    return value


def _credit_code(value: str) -> str | None:
    try:
        return credit_code(value)
    except Invalid as error:
        raise Invalid(error.reason, error.message, field="credit_code") from None


def currency(value: str) -> str:
    """A currency by its ISO 4217 code. Raises Invalid INVALID_CURRENCY."""
    code = value.strip().upper()
    if pycountry.currencies.get(alpha_3=code) is None:
        message = f"{value[:20]!r} is no ISO 4217 code of a currency such as CNY"
        raise Invalid("INVALID_CURRENCY", message, field="currency")
    return code


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"Factory", "localtime"}


def _check_day(month: int, day: int) -> None:
    try:
        date(_COMMON_YEAR, month, day)
    except ValueError:
        raise Invalid(
            "INVALID_FISCAL_YEAR_START",
            "the fiscal year begins on a day that there is in every year, such as month 4, day 1",
            field="fiscal_year_start_day",
        ) from None
