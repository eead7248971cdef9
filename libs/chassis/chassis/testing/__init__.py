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


def eventually(predicate: Callable[[], T], timeout: float = 30.0, *, interval: float = 0.02) -> T:
    """Wait until the predicate is true and return what it gave. Raises AssertionError after `timeout` seconds.

    They are many, since what takes a moment takes longer on a machine that is busy with something else.
    """
    deadline = time.monotonic() + timeout
    while not (result := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {timeout:g} s: {getattr(predicate, '__name__', predicate)}")
        time.sleep(interval)
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
