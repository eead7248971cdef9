"""Days of the organisation's calendar."""

from datetime import UTC, date, datetime, time, timedelta

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.organisation import organisation

MOST_DAYS = 367


def bounds(session: ServiceSession, start: date, end: date) -> tuple[datetime, datetime]:
    """When the first of some days begins, and when the last one ends. Raises Invalid for too many, or none."""
    days = (end - start).days + 1
    if not 1 <= days <= MOST_DAYS:
        message = f"the last day is the first one or comes up to {MOST_DAYS - 1} days after it"
        raise Invalid("INVALID_PERIOD", message, field="end_date")
    zone = organisation(session).zone
    first, after = (datetime.combine(day, time(), zone) for day in (start, end + timedelta(days=1)))
    return first.astimezone(UTC), after.astimezone(UTC)
