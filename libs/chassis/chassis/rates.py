"""How many calls a caller may make per minute, counted by each process for itself.

A token bucket per caller holds a minute's calls and fills evenly: who has been silent may spend a minute's worth at
once. With several processes a caller may make as many times more, as calls are spread over them; the limit protects
a process from a caller that runs wild and is no means of accounting.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from chassis.errors import Exhausted

CAPACITY = 10_000
"""Callers remembered; the one silent for longest goes first, and begins anew with a full bucket."""


class Rates:
    """The buckets of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Caller → the calls left in the bucket, and when that was reckoned."""
        self._lock = threading.Lock()

    def take(self, subject: str, per_minute: int) -> None:
        """Count a call. Raises Exhausted RATE_LIMITED, saying in how many seconds to try again, if none is left."""
        now = self._clock()
        with self._lock:
            left, since = self._left.pop(subject, (float(per_minute), now))
            left = min(left + (now - since) * per_minute / 60, float(per_minute))
            admitted = left >= 1
            self._left[subject] = (left - 1 if admitted else left, now)
            if len(self._left) > CAPACITY:
                self._left.popitem(last=False)
        if not admitted:
            seconds = math.ceil((1 - left) * 60 / per_minute)
            raise Exhausted(
                "RATE_LIMITED",
                f"at most {per_minute} calls per minute are allowed; try again in {seconds} s",
                limit=per_minute,
                retry_after_seconds=seconds,
            )
