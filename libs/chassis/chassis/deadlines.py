"""How long the call under way may still take.

The server sets the deadline of each call. Outside a call there is none. A transaction does not commit once
the deadline has passed or the client has gone: the client was told that the call failed.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar

from chassis.errors import DomainError


class DeadlineExceeded(DomainError):
    """The call's time is up. DEADLINE_EXCEEDED."""


class Cancelled(DomainError):
    """The client has gone. CANCELLED."""


class Limits:
    """The deadline of a call, in seconds of the monotonic clock, and whether the client still waits."""

    __slots__ = ("at", "is_active")

    def __init__(self, seconds: float, is_active: Callable[[], bool] = lambda: True) -> None:
        self.at = time.monotonic() + seconds
        self.is_active = is_active


_limits: ContextVar[Limits | None] = ContextVar("limits", default=None)


def set_limits(limits: Limits | None) -> None:
    """Say how long the call under way may take. Only the server does."""
    _limits.set(limits)


def remaining(default: float) -> float:
    """The seconds left for the call under way, not below zero; `default` outside a call."""
    limits = _limits.get()
    return max(0.0, limits.at - time.monotonic()) if limits else default


def check() -> None:
    """Raise DeadlineExceeded if the time of the call under way is up, Cancelled if its client has gone."""
    limits = _limits.get()
    if limits is None:
        return
    if time.monotonic() >= limits.at:
        raise DeadlineExceeded("DEADLINE_EXCEEDED", "the call took longer than its deadline; nothing was changed")
    if not limits.is_active():
        raise Cancelled("CANCELLED", "the client ended the call; nothing was changed")
