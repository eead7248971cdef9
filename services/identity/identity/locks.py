"""The order in which writes wait for each other, so that none waits for another in a circle.

The tree of departments, then the policy's version, then rows: departments, roles, users, sessions.
"""

from collections.abc import Iterable

from chassis import locks
from chassis.db import ServiceSession

_TREE = "departments"


def lock_tree(session: ServiceSession) -> None:
    """Keep the tree of departments to this transaction: nobody else changes it or puts anything into it."""
    locks.hold(session, _TREE)


def hold_tree(session: ServiceSession) -> None:
    """Keep the tree of departments as it is until the transaction ends; others may do so, too."""
    locks.share(session, _TREE)


def lock_attempts(session: ServiceSession, keys: Iterable[bytes]) -> None:
    """Let the attempts for each of the keys queue up."""
    for key in sorted(keys):
        locks.hold(session, f"attempts {key.hex()}")


def lock_bootstrap(session: ServiceSession) -> None:
    """Let processes that set up the same installation do so one after the other."""
    locks.hold(session, "bootstrap")


def lock_holds(session: ServiceSession) -> None:
    """Let requests for personal data and changes of legal holds follow each other."""
    locks.hold(session, "legal holds")
