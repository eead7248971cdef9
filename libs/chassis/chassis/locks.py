"""Locks by name, where no row stands for what is to be locked: what may be in a set, or a row that is still to come.

All of them last until the transaction ends.
"""

from sqlalchemy import text

from chassis.db import ServiceSession
from chassis.prepared import Prepared


def hold(session: ServiceSession, name: str) -> None:
    """Let nobody else go on in this database who holds or shares the same name."""
    _HOLD.write(session, name=name)


def share(session: ServiceSession, name: str) -> None:
    """Let nobody else go on in this database who holds the same name; others may share it."""
    _SHARE.write(session, name=name)


_HOLD = Prepared(text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:name AS text), 0))"))
_SHARE = Prepared(text("SELECT pg_advisory_xact_lock_shared(hashtextextended(CAST(:name AS text), 0))"))
