"""The order in which writes wait for each other, so that none waits for another in a circle.

The tree of departments, then the policy's version, then rows: departments, roles, users, sessions.
"""

from collections.abc import Iterable
from enum import IntEnum

from chassis.db import ServiceSession
from sqlalchemy import func, select


class _Lock(IntEnum):
    """The first keys of this service's advisory locks."""

    TREE = 0x1D70_0001
    ATTEMPTS = 0x1D70_0002
    BOOTSTRAP = 0x1D70_0003


def lock_tree(session: ServiceSession) -> None:
    """Keep the tree of departments to this transaction: nobody else changes it or puts anything into it."""
    session.execute(select(func.pg_advisory_xact_lock(int(_Lock.TREE), 0)))


def hold_tree(session: ServiceSession) -> None:
    """Keep the tree of departments as it is until the transaction ends; others may do so, too."""
    session.execute(select(func.pg_advisory_xact_lock_shared(int(_Lock.TREE), 0)))


def lock_attempts(session: ServiceSession, keys: Iterable[bytes]) -> None:
    """Let the attempts for each of the keys queue up."""
    for number in sorted(int.from_bytes(key[:4], signed=True) for key in keys):
        session.execute(select(func.pg_advisory_xact_lock(int(_Lock.ATTEMPTS), number)))


def lock_bootstrap(session: ServiceSession) -> None:
    """Let processes that set up the same installation do so one after the other."""
    session.execute(select(func.pg_advisory_xact_lock(int(_Lock.BOOTSTRAP), 0)))
