"""When schedules are due, and what working time makes of a delay."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from chassis.calendars import no_working_time
from chassis.organisation import Organisation

_MOST_DAYS = 1_500
"""A schedule that is not due within so many days never is: a 29th of February comes every eight years at most, but on
the day of the week that is asked for even more seldom."""
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def next_due(schedule: Mapping[str, Any], after: datetime, company: Organisation) -> datetime | None:
    """When a schedule is next due after a moment; None if it is not due any more."""
    clock = time.fromisoformat(schedule["time"])
    day = company.day_of(after)
    for _ in range(_MOST_DAYS):
        moment = datetime.combine(day, clock, company.zone).astimezone(UTC)
        fits = (
            (not schedule["weekdays"] or day.isoweekday() in schedule["weekdays"])
            and (not schedule["month_days"] or day.day in schedule["month_days"])
            and (not schedule["working_days_only"] or company.calendar.is_working_day(day))
        )
        if fits and moment > after:
            return moment
        day += _DAY
    return None


def deadline(start: datetime, amount: int, unit: str, company: Organisation) -> datetime:
    """The moment at which so much time has passed since another. Raises Conflict NO_WORKING_TIME."""
    if unit == "HOURS":
        return start + timedelta(hours=amount)
    if unit == "WORKING_HOURS":
        return company.calendar.add_working_time(start, timedelta(hours=amount))
    local = start.astimezone(company.zone)
    day, left = local.date(), amount
    for _ in range(amount * 7 + _MOST_DAYS):
        day += _DAY
        left -= company.calendar.is_working_day(day)
        if not left:
            return datetime.combine(day, local.time(), company.zone).astimezone(UTC)
    raise no_working_time()


def latest_start(now: datetime, amount: int, unit: str, company: Organisation) -> datetime:
    """The latest moment, to the second, since which so much time has passed by now: what began until then is due."""
    low, high = now - timedelta(hours=amount), now
    while deadline(low, amount, unit, company) > now:
        low -= high - low
    while high - low > _SECOND:
        middle = low + (high - low) / 2
        if deadline(middle, amount, unit, company) > now:
            high = middle
        else:
            low = middle
    return low
