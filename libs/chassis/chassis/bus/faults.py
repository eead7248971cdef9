"""Telling a database that is away from a handler that is wrong."""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

_TRANSIENT_CLASSES = ("08", "53", "57P", "40001", "40P01", "25006", "55P03")
"""SQLSTATEs, by prefix: connection lost, resources used up, server stopping or starting, serialization failure,
deadlock, a standby that is not promoted yet, a lock that was not to be had."""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may well succeed later, unchanged: the database is away or was in the way."""
    if isinstance(error, NoFreeConnection):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # The driver itself noticed. It has no SQLSTATE for a lost connection, nor for what it refuses to send.
        return error.connection_invalidated or type(error.orig).__name__ == "OperationalError"
    return bool(state.startswith(_TRANSIENT_CLASSES))
