"""Working time: when work is done, and moments and durations reckoned in it.

A day of the week has windows, such as 9:00–12:00 and 13:00–18:00; single days deviate from their week. Windows are
wall clock times in the calendar's zone, durations are real time: where the clock is put forward or back inside a
window, that window is shorter or longer by as much.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from chassis.errors import Conflict, Invalid

MINUTES_PER_DAY = 24 * 60
MAX_WINDOWS = 10
"""The most windows that a day may have."""

_IDLE_DAYS = 800
"""A calendar with so many days in a row without work is taken to have no working time at all."""
_CACHED_DAYS = 4096
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)

_YEARS = range(1900, 9991)
"""What days may be asked for: the times and days around them can be reckoned as well."""

Interval = tuple[datetime, datetime]


def parse_day(value: str, *, field: str) -> date:
    """A day as it is written, e.g. `2026-03-01`. Raises Invalid INVALID_DATE."""
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise Invalid("INVALID_DATE", "a day is written as 2026-03-01", field=field) from None
    if day.year not in _YEARS:
        raise Invalid("INVALID_DATE", f"give a day of the years {_YEARS[0]} to {_YEARS[-1]}", field=field)
    return day


@dataclass(frozen=True, order=True)
class Window:
    """A stretch of a day in which work is done, in minutes since midnight by the wall clock; the end is not part of it.

    Raises Invalid INVALID_WINDOW if it is empty or leaves the day. 1440 is the midnight at the day's end.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= MINUTES_PER_DAY:
            message = "a window begins before it ends, between 00:00 and 24:00 of one day"
            raise Invalid("INVALID_WINDOW", message, field="windows")

    @classmethod
    def parse(cls, start: str, end: str) -> "Window":
        """A window from two texts such as `09:00` and `18:00`. Raises Invalid INVALID_TIME_OF_DAY or INVALID_WINDOW."""
        return cls(_minutes(start), _minutes(end))

    @property
    def texts(self) -> tuple[str, str]:
        """The form that `parse` reads."""
        return _text(self.start), _text(self.end)


def _minutes(text: str) -> int:
    hours, colon, minutes = text.strip().partition(":")
    plain = colon and len(hours) == 2 and len(minutes) == 2 and text.isascii() and hours.isdigit() and minutes.isdigit()
    value = int(hours) * 60 + int(minutes) if plain else MINUTES_PER_DAY + 1
    if value > MINUTES_PER_DAY or int(minutes) > 59:
        message = f"{text[:20]!r} is no time of day such as 09:00; the last is 24:00"
        raise Invalid("INVALID_TIME_OF_DAY", message, field="windows")
    return value


def _text(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def day_windows(windows: Sequence[Window]) -> tuple[Window, ...]:
    """The windows of one day in order. Raises Invalid TOO_MANY_WINDOWS or OVERLAPPING_WINDOWS."""
    if len(windows) > MAX_WINDOWS:
        raise Invalid("TOO_MANY_WINDOWS", f"a day has at most {MAX_WINDOWS} windows", field="windows")
    ordered = tuple(sorted(windows))
    for before, after in pairwise(ordered):
        if after.start < before.end:
            message = f"the windows {'–'.join(before.texts)} and {'–'.join(after.texts)} overlap"
            raise Invalid("OVERLAPPING_WINDOWS", message, field="windows")
    return ordered


@dataclass(frozen=True)
class WorkingCalendar:
    """When work is done."""

    zone: ZoneInfo
    weekly: Mapping[int, tuple[Window, ...]]
    """The windows of each day of the week, Monday being 0. Days without any are free."""
    special: Mapping[date, tuple[Window, ...] | None] = field(default_factory=dict)
    """Days that deviate from their week: their windows, none for a day off. None instead of windows means a day
    that is worked although its week has it free: see `windows_of`."""
    _known: dict[date, tuple[Interval, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def windows_of(self, day: date) -> tuple[Window, ...]:
        """The windows of a day.

        A special working day without windows of its own has those of its day of the week, or if that is free,
        those of the first day of the week, from Monday on, that is not.
        """
        usual = self.weekly.get(day.weekday(), ())
        special = self.special.get(day, usual)
        if special is not None:
            return special
        return usual or next((self.weekly[key] for key in sorted(self.weekly) if self.weekly[key]), ())

    def is_working_day(self, day: date) -> bool:
        """Whether any work is done on a day."""
        return bool(self.windows_of(day))

    def next_working_moment(self, moment: datetime) -> datetime:
        """The moment itself if work is going on then, else when it next begins. Raises Conflict NO_WORKING_TIME."""
        for start, end in self._from(moment):
            if moment < end:
                return max(start, moment).astimezone(UTC)
        raise no_working_time()

    def add_working_time(self, start: datetime, duration: timedelta) -> datetime:
        """The earliest moment at which so much working time has passed since `start`, in UTC.

        It lies in a window, or at the end of one. No duration from outside all windows leads to the next one's
        start. Raises ValueError for a negative duration, Conflict NO_WORKING_TIME if no work is ever done.
        """
        if duration < timedelta():
            raise ValueError("working time cannot be taken back")
        left = duration
        for begin, end in self._from(start):
            at = max(begin, start)
            if at <= end and left <= end - at:
                return (at + left).astimezone(UTC)
            left -= max(end - at, timedelta())
        raise no_working_time()

    def working_time_between(self, start: datetime, end: datetime) -> timedelta:
        """How much working time lies between two moments; negative if the second one is earlier."""
        if end < start:
            return -self.working_time_between(end, start)
        return sum((ends - begins for begins, ends in self.working_spans(start, end)), timedelta())

    def working_spans(self, start: datetime, end: datetime) -> Iterator[Interval]:
        """The stretches of working time between two moments, in UTC and in order, cut to what lies between them."""
        day, last = self._day_of(start) - _DAY, self._day_of(end) + _DAY
        while day <= last:
            for begins, ends in self._intervals(day):
                if begins < end and start < ends:
                    yield max(begins, start).astimezone(UTC), min(ends, end).astimezone(UTC)
            day += _DAY

    def _day_of(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def _from(self, moment: datetime) -> Iterator[Interval]:
        """The stretches of working time that end at a moment or after it, in order, for as long as there are any."""
        day, idle = self._day_of(moment) - _DAY, 0
        while idle < _IDLE_DAYS and day < date.max - 2 * _DAY:
            idle += 1
            for interval in self._intervals(day):
                if interval[1] >= moment:
                    idle = 0
                    yield interval
            day += _DAY

    def _intervals(self, day: date) -> tuple[Interval, ...]:
        found = self._known.get(day)
        if found is None:
            bounds = [
                (self._moment(day, window.start), self._moment(day, window.end)) for window in self.windows_of(day)
            ]
            found = tuple((start, end) for start, end in bounds if start < end)
            if len(self._known) >= _CACHED_DAYS:
                self._known.clear()
            self._known[day] = found
        return found

    def _moment(self, day: date, minutes: int) -> datetime:
        """A time of a day, in UTC. Of a time that comes twice, the first; one that is skipped is when it is skipped."""
        wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minutes)
        moment = wall.replace(tzinfo=self.zone).astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) == wall:
            return moment
        return self._transition(wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC), moment)

    def _transition(self, before: datetime, after: datetime) -> datetime:
        """When the zone's offset changes between two moments, to the second."""
        offset = before.astimezone(self.zone).utcoffset()
        while after - before > _SECOND:
            middle = before + (after - before) // 2 // _SECOND * _SECOND
            if middle.astimezone(self.zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        return after


def no_working_time() -> Conflict:
    """The refusal to reckon by a calendar in which no work is ever done."""
    return Conflict("NO_WORKING_TIME", "the working calendar has no working time: give the week some windows first")
