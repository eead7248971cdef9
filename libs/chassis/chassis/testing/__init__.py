"""What tests of services use: PostgreSQL databases, callers, waiting. The fixtures are in `chassis.testing.plugin`."""

import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from chassis.callers import Caller, Grant, Reach
from chassis.clock import FixedClock
from chassis.names import new_id

__all__ = ["FixedClock", "eventually", "make_caller"]

T = TypeVar("T")


SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.25
PAUSE_SHARE = 0.1


def eventually(predicate: Callable[[], T], timeout: float = 30.0, *, interval: float | None = None) -> T:
    """Wait until the predicate is true and return what it gave. Raises AssertionError after `timeout` seconds.

    They are many, since what takes a moment takes longer on a machine that is busy with something else. The longer it
    takes, the less often is it looked at: what is waited for needs the processor more than who asks for it. With an
    `interval`, so many seconds lie between two looks from the first to the last.
    """
    began = time.monotonic()
    while not (result := predicate()):
        waited = time.monotonic() - began
        if waited > timeout:
            raise AssertionError(f"not so within {timeout:g} s: {getattr(predicate, '__name__', predicate)}")
        time.sleep(interval or min(max(SHORTEST_PAUSE, waited * PAUSE_SHARE), LONGEST_PAUSE))
    return result


def make_caller(
    *permissions: str,
    reach: Reach = Reach.ALL,
    user_id: UUID | None = None,
    department_path: str = "",
    department_paths: tuple[str, ...] = (),
) -> Caller:
    """A signed-in user who is granted the permissions (`*` for all, which is also meant if none is named)."""
    user_id = user_id or new_id()
    names = permissions or ("*",)
    grants = {name: (Grant(name, reach, department_paths),) for name in names}
    return Caller(f"users/{user_id}", user_id, department_path, grants)
