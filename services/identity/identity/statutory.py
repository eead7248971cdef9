"""Public holidays and make-up working days, as far as they are known. What is not known yet is never guessed.

China's are those that the State Council arranges year by year, from the library `chinesecalendar`, whose releases
follow each arrangement. A year that it does not have, such as the coming one in summer, is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import chinese_calendar
from chinese_calendar.constants import holidays, workdays

from identity.model import StatutoryCalendar


@dataclass(frozen=True)
class StatutoryDay:
    """A day that a statutory calendar makes special."""

    working: bool
    display_name: str


def last_known_year(calendar: StatutoryCalendar) -> int | None:
    """The last year whose days are known; None if the calendar has no days at all."""
    return max(holidays).year if calendar is StatutoryCalendar.CHINA else None


def is_unknown(calendar: StatutoryCalendar, year: int) -> bool:
    """Whether the days of a year are not known."""
    return calendar is StatutoryCalendar.CHINA and not min(holidays).year <= year <= max(holidays).year


@cache
def days_of(calendar: StatutoryCalendar, year: int) -> Mapping[date, StatutoryDay]:
    """The special days of a year, in order; none if they are not known. See `is_unknown`."""
    if calendar is not StatutoryCalendar.CHINA or is_unknown(calendar, year):
        return {}
    days = {}
    day = date(year, 1, 1)
    while day.year == year:
        if day in workdays:
            days[day] = StatutoryDay(working=True, display_name=f"{_title(workdays[day])}调休上班")
        elif day in holidays:
            days[day] = StatutoryDay(working=False, display_name=_title(holidays[day]))
        day += timedelta(days=1)
    return days


def _title(name: str) -> str:
    """The Chinese name of a holiday that the library names in English."""
    return next((kind.chinese for kind in chinese_calendar.Holiday if kind.value == name), name)
