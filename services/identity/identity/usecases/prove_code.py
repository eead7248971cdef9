"""Prove one's second factor by a code.

A code of the authenticator app counts for its time step and the one before and after it, as clocks differ (RFC 6238,
5.2), and once: no code of that step or an older one is taken again. Wrong codes are counted in the row of the factor,
which is locked, so that parallel guesses cannot outrun the count. The caller commits that count also when it refuses.
"""

import hmac
import secrets
import time
import unicodedata
from datetime import timedelta
from uuid import UUID

import pyotp
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Exhausted
from sqlalchemy import delete, select, update

from identity.model import RecoveryCode, TotpFactor

ATTEMPTS = 10
ATTEMPTS_WINDOW = timedelta(minutes=15)
STEP_SECONDS = 30
RECOVERY_CODES = 10
_WINDOW = (0, -1, 1)
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without what is easily misread: i, l, o, 0, 1."""
_HALF = 5


def get_factor(session: ServiceSession, user_id: UUID, *, lock: bool = False) -> TotpFactor | None:
    """A user's authenticator app, confirmed or not."""
    statement = select(TotpFactor).where(TotpFactor.user_id == user_id)
    return session.scalars(statement.with_for_update() if lock else statement).one_or_none()


def prove_code(session: ServiceSession, user_id: UUID, code: str, *, recovery: bool = False) -> bool:
    """Use up a code of a user. With `recovery` a recovery code will do once the app is confirmed.

    Raises Exhausted after too many wrong ones; False means one more of them, to be committed.
    """
    factor = get_factor(session, user_id, lock=True)
    if factor is None:
        return False
    now = system_clock()
    if factor.failing_since is None or factor.failing_since <= now - ATTEMPTS_WINDOW:
        factor.failures, factor.failing_since = 0, now
    if factor.failures >= ATTEMPTS:
        raise Exhausted(
            "TOO_MANY_ATTEMPTS",
            f"too many failed attempts; try again in {ATTEMPTS_WINDOW.seconds // 60} minutes",
            retry_after_seconds=ATTEMPTS_WINDOW.seconds,
        )
    plain = "".join(unicodedata.normalize("NFKC", code).split()).lower()
    proven = _use_step(session, factor, plain)
    if not proven and recovery and factor.confirm_time is not None:
        proven = _use_recovery_code(session, user_id, plain)
    if proven:
        factor.failures, factor.failing_since = 0, None
    else:
        factor.failures += 1
    session.flush()
    return proven


def new_recovery_codes(session: ServiceSession, user_id: UUID) -> list[str]:
    """Replace a user's recovery codes."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [f"{_letters()}-{_letters()}" for _ in range(RECOVERY_CODES)]
    digests = [session.data_keys.blind_index(*_indexed(user_id, code)) for code in codes]
    session.add_all(RecoveryCode(user_id=user_id, digest=digest, use_time=None) for digest in digests)
    session.flush()
    return codes


def _use_step(session: ServiceSession, factor: TotpFactor, code: str) -> bool:
    totp = pyotp.TOTP(session.data_keys.open(factor.secret, TotpFactor.place(factor.user_id)))
    present = int(time.time()) // STEP_SECONDS
    for step in (present + offset for offset in _WINDOW):
        same = hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())
        if same and step > factor.last_step:
            factor.last_step = step
            return True
    return False


def _use_recovery_code(session: ServiceSession, user_id: UUID, code: str) -> bool:
    digests = session.data_keys.blind_indexes(*_indexed(user_id, code))
    used = (
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.digest.in_(digests), RecoveryCode.use_time.is_(None))
        .values(use_time=system_clock())
        .returning(RecoveryCode.user_id)
    )
    return session.scalars(used).first() is not None


def _indexed(user_id: UUID, code: str) -> tuple[str, str]:
    """What to make the digest of, and its purpose: nobody's code is like another's."""
    return f"{user_id}/{code.replace('-', '')}", "recovery_code.digest"


def _letters() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_HALF))
