"""How a loop is told to stop, and how others see that it still turns."""

import threading
import time


class Stopping(threading.Event):
    """Set when a loop is to stop. Whenever the loop asks, it shows that it makes progress."""

    def __init__(self) -> None:
        super().__init__()
        self._asked_at: float | None = None
        self._ended = False

    def is_set(self) -> bool:
        """Whether to stop. Asked by the loop itself, at least once a round."""
        self._asked_at = time.monotonic()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep, until told to stop. Asked by the loop itself, too."""
        try:
            return super().wait(timeout)
        finally:
            self._asked_at = time.monotonic()

    def end(self) -> None:
        """Note that the loop has returned: nothing is expected of it any more."""
        self._ended = True

    def silence(self) -> float:
        """For how many seconds the loop has not asked; 0 before it begins and after it ended."""
        if self._asked_at is None or self._ended:
            return 0.0
        return time.monotonic() - self._asked_at
