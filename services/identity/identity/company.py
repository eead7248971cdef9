"""The company's profile and working calendar, and the state of both that other services are told."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from chassis import outbox
from chassis.calendars import Window, WorkingCalendar, day_windows
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.organisation import KnownOrganisation, learn
from sqlalchemy import select

from identity import statutory
from identity.events import OrganisationChanged, WorkingDay
from identity.model import ORGANISATION_NAME, CompanyDay, OrganisationProfile, StatutoryCalendar

FIRST_YEAR, LAST_YEAR = 2000, 2100
LONGEST_TIME = timedelta(days=400)
_YEARS_BEFORE = 2
"""How many years before the present one other services are told the special days of."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class DaySource(StrEnum):
    """Who makes a day special. The names are those of `crm.identity.v1.SpecialDaySource`."""

    STATUTORY = "STATUTORY"
    COMPANY = "COMPANY"


@dataclass(frozen=True)
class SpecialDay:
    """A day that deviates from its week."""

    date: date
    working: bool
    display_name: str
    source: DaySource
    windows: tuple[Window, ...] = ()
    version: int = 0
    """0 for a day of the statutory calendar."""


def get_profile(session: ServiceSession, *, lock: bool = False) -> OrganisationProfile:
    """The company's profile. Whoever changes it, or the calendar, locks it. Raises Conflict ORGANISATION_MISSING."""
    statement = select(OrganisationProfile)
    profile = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if profile is None:
        raise Conflict("ORGANISATION_MISSING", "this installation is not set up yet: run `identity migrate`")
    return profile


def parse_date(text: str, *, field: str) -> date:
    """A day such as `2026-10-01`. Raises Invalid INVALID_DATE."""
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        message = f"{text[:20]!r} is no day from {FIRST_YEAR} to {LAST_YEAR} such as 2026-10-01"
        raise Invalid("INVALID_DATE", message, field=field)
    return day


def parse_windows(texts: Sequence[str]) -> tuple[Window, ...]:
    """Windows from the form that they are stored in."""
    return day_windows([Window.parse(*text.split("-")) for text in texts])


def window_texts(windows: Sequence[Window]) -> list[str]:
    """The form that windows are stored in."""
    return ["-".join(window.texts) for window in windows]


def special_days(session: ServiceSession, calendar: StatutoryCalendar, years: Sequence[int]) -> list[SpecialDay]:
    """The special days of some years by date. Of a day in both, what the company says holds."""
    found = {
        day: SpecialDay(day, special.working, special.display_name, DaySource.STATUTORY)
        for year in years
        for day, special in statutory.days_of(calendar, year).items()
    }
    first, last = date(min(years), 1, 1), date(max(years), 12, 31)
    for own in session.scalars(select(CompanyDay).where(CompanyDay.day.between(first, last))):
        found[own.day] = company_day(own)
    return [found[day] for day in sorted(found)]


def company_day(day: CompanyDay) -> SpecialDay:
    """A day of the company's own, as a special day."""
    return SpecialDay(
        day.day, day.working, day.display_name, DaySource.COMPANY, parse_windows(day.windows), day.version
    )


@dataclass(frozen=True)
class CalendarStretch:
    """The working calendar from one day to another."""

    calendar: WorkingCalendar
    days: tuple[date, ...]
    names: Mapping[date, str]
    """Of the special days."""
    unknown_years: tuple[int, ...]
    """Those whose statutory days are not known."""


def stretch(session: ServiceSession, first: date, last: date) -> CalendarStretch:
    """The working calendar from one day to another. Raises Invalid INVALID_PERIOD if it is none, or too long."""
    if not timedelta() <= last - first < LONGEST_TIME:
        message = f"the last day is not before the first, and they are at most {LONGEST_TIME.days} days"
        raise Invalid("INVALID_PERIOD", message, field="end_date")
    profile = get_profile(session)
    statute = StatutoryCalendar(profile.statutory_calendar)
    years = range(first.year, last.year + 1)
    special = special_days(session, statute, years)
    return CalendarStretch(
        calendar=WorkingCalendar(ZoneInfo(profile.time_zone), week(profile), {day.date: _rule(day) for day in special}),
        days=tuple(first + timedelta(days=number) for number in range((last - first).days + 1)),
        names={day.date: day.display_name for day in special},
        unknown_years=tuple(year for year in years if statutory.is_unknown(statute, year)),
    )


def week(profile: OrganisationProfile) -> dict[int, tuple[Window, ...]]:
    """The windows of each day of the week, Monday being 0."""
    return {int(day) - 1: parse_windows(texts) for day, texts in profile.weekly.items()}


def _rule(day: SpecialDay) -> tuple[Window, ...] | None:
    """A special day as `WorkingCalendar` takes it."""
    if not day.working:
        return ()
    return day.windows or None


def announce(session: ServiceSession, profile: OrganisationProfile, *, repeat: bool = False) -> None:
    """Tell all services the state of the organisation if it is another than was told last, or anyway with `repeat`.

    Needs the profile's lock. Besides changes, time and a new release change the state: both bring further years.
    """
    session.flush()
    last = session.execute(select(KnownOrganisation.version, KnownOrganisation.state)).one_or_none()
    told = _state(session, profile, version=last.version if last else 0)
    if last is None or last.state != _json(told):
        told = _state(session, profile, version=told.version + 1)
        learn(session, _json(told))
        outbox.emit(session, told)
    elif repeat:
        outbox.emit(session, told)


def _state(session: ServiceSession, profile: OrganisationProfile, version: int) -> OrganisationChanged:
    statute = StatutoryCalendar(profile.statutory_calendar)
    this_year = _day_in(profile, session.now).year
    special = special_days(session, statute, range(this_year - _YEARS_BEFORE, LAST_YEAR + 1))
    return OrganisationChanged(
        organisation=ORGANISATION_NAME,
        version=version,
        display_name=profile.display_name,
        locale=profile.locale,
        currency=profile.currency,
        time_zone=profile.time_zone,
        fiscal_year_start_month=profile.fiscal_year_start_month,
        fiscal_year_start_day=profile.fiscal_year_start_day,
        first_day_of_week=profile.first_day_of_week,
        weekly=[WorkingDay(day, texts) for day, texts in sorted(profile.weekly.items())],
        special=[
            WorkingDay(day.date.isoformat(), window_texts(day.windows), ordinary=_rule(day) is None) for day in special
        ],
        statutory_until_year=statutory.last_known_year(statute) or 0,
    )


def _day_in(profile: OrganisationProfile, moment: datetime) -> date:
    return moment.astimezone(ZoneInfo(profile.time_zone)).date()


def _json(state: OrganisationChanged) -> dict[str, Any]:
    plain: dict[str, Any] = orjson.loads(orjson.dumps(asdict(state)))
    return plain
