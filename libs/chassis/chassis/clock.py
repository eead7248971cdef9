"""What time it is for the business rules. Rules read the time from a clock they are given, never from the system."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Returns the present time, in UTC and aware of it."""


def system_clock() -> datetime:
    """The real time."""
    return datetime.now(UTC)


class FixedClock:
    """A clock for tests that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now.astimezone(UTC)

    def __call__(self) -> datetime:
        return self.now

    def set(self, now: datetime) -> None:
        """Move to a time."""
        self.now = now.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Move forward."""
        self.now += by
