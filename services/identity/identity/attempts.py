"""The brake on guessing: how often something may be tried for a name, and from an address.

An attempt counts before it is judged and is taken back if it was right, so parallel guesses cannot outrun the count. It
counts in three ways at once: strictly for a name from one address; loosely for a name from everywhere, so that a
stranger who knows a name can hardly keep its bearer out; and for an address over all names. Times are real times.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chassis import written
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Exhausted
from chassis.names import new_id
from chassis.origins import current_origin
from sqlalchemy import delete, func, select
from sqlalchemy.orm import InstrumentedAttribute

from identity.locks import lock_attempts
from identity.model import LoginAttempt

WINDOW = timedelta(minutes=15)

written.exempt(LoginAttempt.__tablename__, "counts attempts; what comes of them is audited")


@dataclass(frozen=True)
class Brake:
    """How many attempts of a kind may be made within WINDOW."""

    kind: str
    per_name_and_address: int
    per_name: int
    per_address: int


SIGN_IN = Brake("sign-in", per_name_and_address=10, per_name=100, per_address=50)
RESET = Brake("reset", per_name_and_address=5, per_name=10, per_address=20)


def count_attempt(session: ServiceSession, brake: Brake, whose: str) -> UUID:
    """Count an attempt for a name or a user from the address of the call under way. Raises Exhausted after too many.

    Where addresses are not known (see `chassis.origins`), all calls for a name count as from one.
    """
    address = current_origin().address
    limits: list[tuple[InstrumentedAttribute[bytes | None], bytes, int]] = [
        (LoginAttempt.key, _digest(brake.kind, whose, address), brake.per_name_and_address),
        (LoginAttempt.name_key, _name_key(brake, whose), brake.per_name),
    ]
    if address:
        limits.append((LoginAttempt.address_key, _digest(brake.kind, "", address), brake.per_address))
    lock_attempts(session, [key for _, key, _ in limits])
    now = system_clock()
    for column, key, most in limits:
        recent = select(func.count()).where(column == key, LoginAttempt.time > now - WINDOW)
        if session.scalars(recent).one() >= most:
            raise Exhausted(
                "TOO_MANY_ATTEMPTS",
                f"too many failed attempts; try again in {WINDOW.seconds // 60} minutes",
                retry_after_seconds=WINDOW.seconds,
            )
    attempt = LoginAttempt(id=new_id(), time=now, **{column.key: key for column, key, _ in limits})
    session.add(attempt)
    session.flush()
    return attempt.id


def forget_attempts(session: ServiceSession, whose: str) -> None:
    """Let a user try again at once, whatever was tried before."""
    session.execute(
        delete(LoginAttempt).where(LoginAttempt.name_key.in_([_name_key(brake, whose) for brake in (SIGN_IN, RESET)]))
    )


def _name_key(brake: Brake, whose: str) -> bytes:
    return _digest(brake.kind, whose, None)


def _digest(*parts: str | None) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()
