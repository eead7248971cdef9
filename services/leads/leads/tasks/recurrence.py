"""When a task is to be done again: recurrence rules of RFC 5545, by the wall clock of the organisation's zone."""

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from chassis.errors import Invalid
from dateutil.rrule import rrulestr

from leads.plans.recurrence import parts_of

MAX_LENGTH = 200
_PARTS = re.compile(r"[A-Z]+=[A-Z0-9,+-]+(;[A-Z]+=[A-Z0-9,+-]+)*")
_LEAP_YEAR = 2028
_EVERY_MONTH = range(1, 13)


def parse(text: str) -> str | None:
    """A rule in the form it is kept in, with the parts that plans have, too. Raises Invalid INVALID_RECURRENCE."""
    rule = text.strip().upper().removeprefix("RRULE:")
    if not rule:
        return None
    if len(rule) > MAX_LENGTH:
        raise Invalid("TOO_LONG", f"at most {MAX_LENGTH} characters fit, not {len(rule)}", maximum=MAX_LENGTH)
    if not _PARTS.fullmatch(rule):
        raise _invalid("write it as in RFC 5545, e.g. FREQ=WEEKLY;BYDAY=MO")
    parts = parts_of(rule)
    if "UNTIL" in parts and not _is_utc(parts["UNTIL"][0]):
        raise _invalid("UNTIL is a time in UTC, e.g. UNTIL=20261231T160000Z")
    # Else it would be looked for as long as there are years.
    if not _names_a_day(parts):
        raise _invalid("no month has such a day")
    return rule


def _is_utc(until: Any) -> bool:
    return isinstance(until, datetime) and until.tzinfo is not None and not until.utcoffset()


def _names_a_day(parts: Mapping[str, Sequence[Any]]) -> bool:
    """Whether a day of the month that a rule names is one of some month that it names."""
    days = [abs(int(day)) for day in parts.get("BYMONTHDAY", ())]
    longest = max(monthrange(_LEAP_YEAR, int(month))[1] for month in parts.get("BYMONTH", _EVERY_MONTH))
    return not days or min(days) <= longest


def next_time(rule: str, start: datetime, after: datetime, zone: ZoneInfo) -> datetime | None:
    """The first time of a series that begins at `start` which lies after a moment, in UTC; None if there is none.

    Times are those of the wall clock, so that a task of nine o'clock is one of nine o'clock in summer as well. Of a
    time that comes twice the first counts; one that is skipped is as much later as the clock is put forward.
    """
    series = rrulestr(rule, dtstart=start.astimezone(zone).replace(fold=0))
    found: datetime | None = series.after(after.astimezone(zone))
    return found.astimezone(UTC) if found is not None else None


def _invalid(message: str) -> Invalid:
    return Invalid("INVALID_RECURRENCE", message, field="recurrence")
