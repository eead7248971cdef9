"""When people work: by the company's calendar, or on its working days by hours of their own."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from chassis.calendars import Window, WorkingCalendar, day_windows
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.organisation import organisation

_KNOWN_CALENDARS = 64


class Hours:
    """When people work, as seen from one moment."""

    def __init__(self, session: ServiceSession) -> None:
        self._now = session.now
        self._calendar = organisation(session).calendar
        self._known: dict[tuple[str, ...], datetime | None] = {}

    def next_work(self, own: Sequence[str]) -> datetime | None:
        """When somebody with these hours next works, which may be now; None if never. The company's hours if empty."""
        key = tuple(own)
        if key not in self._known:
            calendar = own_calendar(self._calendar, key) if key else self._calendar
            try:
                self._known[key] = calendar.next_working_moment(self._now)
            except Conflict:  # a calendar without any working time: nobody ever works
                self._known[key] = None
        return self._known[key]


def windows(own: Sequence[str]) -> tuple[Window, ...]:
    """Hours such as `08:00-16:00` in order. Raises Invalid, naming what is wrong."""
    found = []
    for text in own:
        start, dash, end = text.replace("–", "-").partition("-")
        if not dash:
            raise Invalid("INVALID_TIME_OF_DAY", f"{text[:20]!r} is no stretch of a day such as 08:00-16:00")
        found.append(Window.parse(start, end))
    return day_windows(found)


def own_calendar(company: WorkingCalendar, own: tuple[str, ...]) -> WorkingCalendar:
    """The company's working days with hours of one's own."""
    return _own_calendar(_Identical(company), own)


class _Identical:
    """A calendar as a key: by identity, for it holds what cannot be hashed and is the same until it changes."""

    def __init__(self, calendar: WorkingCalendar) -> None:
        self.calendar = calendar

    def __hash__(self) -> int:
        return id(self.calendar)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identical) and other.calendar is self.calendar


@lru_cache(maxsize=_KNOWN_CALENDARS)
def _own_calendar(company: _Identical, own: tuple[str, ...]) -> WorkingCalendar:
    hours = windows(own)
    calendar = company.calendar
    weekly = {day: hours for day, usual in calendar.weekly.items() if usual}
    special = {day: hours if calendar.is_working_day(day) else () for day in calendar.special}
    return WorkingCalendar(calendar.zone, weekly, special)
