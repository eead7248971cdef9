"""A circuit breaker: a service that does not answer is left alone for a moment, and callers know at once."""

import time
from collections.abc import Callable

FAILURES = 5
"""Calls in a row that must get no answer before the service counts as down."""
PAUSE_SECONDS = 0.5
"""How long it is then left alone before one call tries again."""


class Breaker:
    """The state of one service, as its callers in this process see it."""

    def __init__(
        self,
        failures: int = FAILURES,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._pause = pause_seconds
        self._clock = clock
        self._failed = 0
        self._retry_at = 0.0

    @property
    def down(self) -> bool:
        """Whether the service counts as down."""
        return self._failed >= self._limit

    def admits(self) -> bool:
        """Whether a call may be tried now. While the service counts as down, one call per pause may."""
        if not self.down:
            return True
        now = self._clock()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._pause
        return True

    def answered(self) -> None:
        """The service answered a call, be it with an error of its own."""
        self._failed = 0

    def failed(self) -> None:
        """A call got no answer."""
        self._failed += 1
        if self.down:
            self._retry_at = self._clock() + self._pause
