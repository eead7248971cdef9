"""How plans recur: recurrence rules of RFC 5545, reckoned by the clock of the zone that a plan was made in.

The days of a series come from `dateutil.rrule`, by the wall clock, so that what recurs keeps its time of day when
clocks are put forward or back. A time of day that is skipped is taken with the offset before the change, one that comes
twice for the first (RFC 5545, 3.3.5). What takes a number of hours takes them in real time; what takes whole days takes
days.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from chassis.errors import Invalid
from dateutil.rrule import rrule, rruleset, rrulestr
from icalendar import vRecur

MOST_OCCURRENCES = 1_000
LONGEST_SERIES = timedelta(days=3_660)
LONGEST = timedelta(days=31)
MAX_RULE = 300

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No series begins before this: each time one is looked at, its days are counted from the first one on."""
LATEST = datetime(3000, 1, 1, tzinfo=UTC)
"""Nor after this: what is reckoned from it must not go beyond the last day that there is."""

_DAY = timedelta(days=1)
_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"}
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MOST_INTERVAL = 366


class Slot(NamedTuple):
    """A stretch of time in UTC; the end is not part of it."""

    start: datetime
    end: datetime

    def overlaps(self, other: "Slot") -> bool:
        """Whether there is a moment in both."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True)
class Series:
    """When a plan takes place: once if it has no rule."""

    start: datetime
    end: datetime
    time_zone: str
    all_day: bool = False
    rule: str | None = None
    """As `parse_rule` returns it."""

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone that it was planned in."""
        return ZoneInfo(self.time_zone)

    def expand(self, start: datetime, end: datetime) -> Iterator[Slot]:
        """Its occurrences that overlap with [start, end), in order."""
        for slot in self._around(start, end):
            if slot.start < end and start < slot.end:
                yield slot

    def all(self) -> list[Slot]:
        """All occurrences of a series that ends, in order."""
        return list(self.expand(self.start, self.start + LONGEST_SERIES + LONGEST))

    def at(self, moment: datetime) -> Slot | None:
        """The occurrence that begins at a moment, if there is one."""
        found = (slot for slot in self.expand(moment, moment + timedelta(microseconds=1)) if slot.start == moment)
        return next(found, None)

    @property
    def ends(self) -> bool:
        """Whether there is a last occurrence."""
        return self.rule is None or not {"COUNT", "UNTIL"}.isdisjoint(_parts(self.rule))

    def day_of(self, moment: datetime) -> date:
        """The day of its zone that a moment falls on."""
        return moment.astimezone(self.zone).date()

    def _around(self, start: datetime, end: datetime) -> Iterator[Slot]:
        if self.rule is None:
            yield Slot(self.start, self.end)
            return
        # By the wall clock, with room for the occurrence's length and for the offsets of any zone.
        earliest = _wall(max(start, self.start), self.zone) - (self.end - self.start) - 2 * _DAY
        latest = _wall(end, self.zone) + 2 * _DAY
        until = _parts(self.rule).get("UNTIL")
        for wall in _rule(self.rule, _wall(self.start, self.zone)).between(earliest, latest, inc=True):
            slot = self._slot(wall)
            if until is None or _within(slot, wall, until):
                yield slot

    def _slot(self, wall: datetime) -> Slot:
        first = _wall(self.start, self.zone)
        start = self.start if wall == first else moment_of(wall, self.zone)
        if self.all_day:
            days = _wall(self.end, self.zone).date() - first.date()
            return Slot(start, moment_of(datetime.combine(wall.date() + days, time()), self.zone))
        return Slot(start, start + (self.end - self.start))


def moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment of a wall clock time, in UTC."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def check_zone(name: str) -> str:
    """A zone's name. Raises Invalid UNKNOWN_TIME_ZONE."""
    if name not in _zones():
        message = f"{name[:60]!r} is no IANA time zone such as Asia/Shanghai"
        raise Invalid("UNKNOWN_TIME_ZONE", message, field="time_zone")
    return name


def parse_rule(text: str, series: Series) -> str:
    """A recurrence rule in its stored form. `series` says when the plan first takes place.

    Raises Invalid INVALID_RECURRENCE for a rule that cannot be read, has parts that are not offered here, or does not
    name the time at which the plan first takes place.
    """
    parts = parts_of(text.strip().removeprefix("RRULE:"))
    if "UNTIL" in parts:
        parts["UNTIL"] = [_until(parts["UNTIL"][0], series)]
    stored: str = vRecur(parts).to_ical().decode()  # type: ignore[no-untyped-call]
    first = _wall(series.start, series.zone)
    if not _may_name(parts, first) or next(iter(_rule(stored, first)), None) != first:
        raise _invalid("the plan must begin at a time that its recurrence names")
    return stored


def parted(series: Series, slot: Slot) -> tuple[str, str]:
    """The rules of a series up to one of its occurrences, and from that on, which is not its first.

    Raises Invalid OCCURRENCE_SHIFTED for one at whose time of day clocks are put forward: a series that began with it
    would keep the shifted time.
    """
    assert series.rule is not None
    if _wall(slot.start, series.zone).time() != _wall(series.start, series.zone).time():
        message = "clocks are put forward then: begin with the occurrence before it or after it"
        raise Invalid("OCCURRENCE_SHIFTED", message, field="occurrence_time")
    parts = _parts(series.rule)
    earlier = [one for one in series.expand(series.start, slot.start) if one.start < slot.start]
    if "COUNT" in parts:
        left = int(parts["COUNT"]) - len(earlier)
        return _worded(parts | {"COUNT": str(len(earlier))}), _worded(parts | {"COUNT": str(left)})
    last = earlier[-1].start
    until = f"{series.day_of(last):%Y%m%d}" if series.all_day else f"{last:%Y%m%dT%H%M%SZ}"
    return _worded(parts | {"UNTIL": until}), series.rule


def _worded(parts: dict[str, str]) -> str:
    stored: str = vRecur.from_ical(";".join(f"{key}={value}" for key, value in parts.items())).to_ical().decode()
    return stored


def parts_of(text: str) -> dict[str, list[Any]]:
    """The values of the parts of a recurrence rule. Raises Invalid INVALID_RECURRENCE for one that cannot be read, or
    has parts that are not offered here."""
    parts = _readable(text)
    _refuse_unusual(parts)
    return parts


def _readable(text: str) -> dict[str, list[Any]]:
    if not text or len(text) > MAX_RULE:
        raise _invalid(f"a rule has from 1 to {MAX_RULE} characters")
    names = [part.partition("=")[0].upper() for part in text.split(";")]
    try:
        parts = {str(key): list(values) for key, values in vRecur.from_ical(text).items()}
    except ValueError as error:
        raise _invalid("this is no RRULE of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO,WE;COUNT=10") from error
    if len(set(names)) < len(names) or not _PARTS.issuperset(names):
        raise _invalid(f"name each part once, of {', '.join(sorted(_PARTS))}")
    return parts


def _refuse_unusual(parts: dict[str, list[Any]]) -> None:
    """Refuse what is not offered. What is left always names a next day within a few years, so that no rule keeps a
    server looking for one in vain."""
    frequency = str(parts.get("FREQ", [""])[0])
    single = all(len(parts.get(name, [0])) == 1 for name in ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"))
    if frequency not in _FREQUENCIES or not single:
        raise _invalid(f"FREQ must be one of {', '.join(_FREQUENCIES)}")
    if not all(1 <= int(value) <= _MOST_INTERVAL for value in parts.get("INTERVAL", [])):
        raise _invalid(f"INTERVAL goes from 1 to {_MOST_INTERVAL}")
    if "COUNT" in parts and ("UNTIL" in parts or not 1 <= int(parts["COUNT"][0]) <= MOST_OCCURRENCES):
        raise _invalid(f"COUNT goes from 1 to {MOST_OCCURRENCES}, and does not go with UNTIL")
    if not all(1 <= abs(int(value)) <= 31 for value in parts.get("BYMONTHDAY", [])):
        raise _invalid("BYMONTHDAY goes from 1 to 31, or from -31 to -1")
    if not all(str(value).isdecimal() and 1 <= int(value) <= 12 for value in parts.get("BYMONTH", [])):
        raise _invalid("BYMONTH goes from 1 to 12")
    _refuse_unusual_days(frequency, parts)


def _refuse_unusual_days(frequency: str, parts: dict[str, list[Any]]) -> None:
    days = [str(day).upper() for day in parts.get("BYDAY", [])]
    numbered = [day for day in days if day[:-2]]
    if any(day[-2:] not in _WEEKDAYS for day in days):
        raise _invalid("BYDAY names days such as MO, or 1MO and -1FR in rules by months")
    if numbered and (frequency != "MONTHLY" or "BYMONTHDAY" in parts or not all(_is_number(day) for day in numbered)):
        raise _invalid("days with numbers, from 1 to 4 or -4 to -1, go with FREQ=MONTHLY and without BYMONTHDAY")
    if positions := parts.get("BYSETPOS"):
        fits = frequency == "MONTHLY" and days and not numbered and "BYMONTHDAY" not in parts
        if not fits or not all(1 <= abs(int(value)) <= 4 for value in positions):
            raise _invalid("BYSETPOS, from 1 to 4 or -4 to -1, goes with FREQ=MONTHLY and BYDAY alone")


def _is_number(day: str) -> bool:
    number = day[:-2].lstrip("+")
    return number.lstrip("-").isdecimal() and 1 <= abs(int(number)) <= 4


def _may_name(parts: dict[str, list[Any]], wall: datetime) -> bool:
    """Whether the parts of a rule name the day, each by itself."""
    length = (wall.replace(day=28) + 4 * _DAY).replace(day=1) - _DAY
    monthdays = {int(value) for value in parts.get("BYMONTHDAY", [])}
    weekdays = {str(value).upper()[-2:] for value in parts.get("BYDAY", [])}
    months = {int(value) for value in parts.get("BYMONTH", [])}
    return (
        (not monthdays or bool(monthdays & {wall.day, wall.day - length.day - 1}))
        and (not weekdays or _WEEKDAYS[wall.weekday()] in weekdays)
        and (not months or wall.month in months)
    )


def _until(given: date | datetime, series: Series) -> date | datetime:
    """The last time that a rule names, in the form that RFC 5545 asks for: UTC, or a day for what takes whole days."""
    until: date | datetime
    if not isinstance(given, datetime):
        end_of_day = datetime.combine(given, time(23, 59, 59))
        until = given if series.all_day else moment_of(end_of_day, series.zone)
    else:
        moment = given.astimezone(UTC) if given.tzinfo else moment_of(given, series.zone)
        until = series.day_of(moment) if series.all_day else moment
    first = series.day_of(series.start) if series.all_day else series.start
    if not first <= until <= first + LONGEST_SERIES:
        raise _invalid("UNTIL lies after the start, and at most ten years later")
    return until


def _within(slot: Slot, wall: datetime, until: str) -> bool:
    if len(until) == 8:
        return wall.date() <= datetime.strptime(until, "%Y%m%d").date()  # noqa: DTZ007 - a day by the wall clock
    return slot.start <= datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


@lru_cache(maxsize=1024)
def _rule(text: str, first: datetime) -> rrule | rruleset:
    """A stored rule that begins at a wall clock time. UNTIL is taken with a day to spare: see `_within`."""
    parts = _parts(text)
    until = parts.pop("UNTIL", None)
    if until is not None:
        last = datetime.strptime(until[:8], "%Y%m%d") + 2 * _DAY  # noqa: DTZ007 - a day by the wall clock
        parts["UNTIL"] = last.strftime("%Y%m%dT%H%M%S")
    return rrulestr(";".join(f"{key}={value}" for key, value in parts.items()), dtstart=first)


def _parts(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(";"))


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _invalid(message: str) -> Invalid:
    return Invalid("INVALID_RECURRENCE", message, field="recurrence")
