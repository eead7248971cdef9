"""Days of the organisation's calendar."""

from datetime import UTC, date, datetime, time, timedelta

from chassis.db import ServiceSession
from chassis.organisation import organisation


def today(session: ServiceSession) -> date:
    """The day that it is now."""
    return organisation(session).day_of(session.now)


def next_day(session: ServiceSession) -> datetime:
    """When the next day begins."""
    return beginning(session, today(session) + timedelta(days=1))


def beginning(session: ServiceSession, day: date) -> datetime:
    """When a day begins."""
    return datetime.combine(day, time(), organisation(session).zone).astimezone(UTC)
