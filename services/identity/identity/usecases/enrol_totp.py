"""Set up an authenticator app."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pyotp
from chassis import audit
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from sqlalchemy import update

from identity import queries
from identity.model import LoginSession, TotpFactor
from identity.policy import bump_policy, end_sessions, revoke_tokens
from identity.usecases.prove_code import get_factor, new_recovery_codes

ENROLMENT_LIFE = timedelta(minutes=30)


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app needs."""

    uri: str
    secret: str
    expire_time: datetime
    """The real time until which it can be confirmed."""


def begin_totp(session: ServiceSession, issuer: str) -> Enrolment:
    """Make up a secret for the caller's app. `issuer` is what the app shows beside the login name."""
    user = queries.get_own_user(session, lock=True)
    factor = get_factor(session, user.id, lock=True)
    if factor is not None and factor.confirm_time is not None:
        raise Conflict("SECOND_FACTOR_ENABLED", "disable the present authenticator app first")
    secret, now = pyotp.random_base32(), system_clock()
    if factor is None:
        factor = TotpFactor(user_id=user.id, confirm_time=None, last_step=0, failures=0, failing_since=None)
        session.add(factor)
    factor.secret = session.data_keys.seal(secret, TotpFactor.place(user.id))
    factor.create_time, factor.last_step = now, 0
    session.flush()
    audit.record(session, "user.second_factor_begin", user.name, None, None)
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=issuer)
    return Enrolment(uri, secret, now + ENROLMENT_LIFE)


def confirm_totp(session: ServiceSession, *, proven: bool, keep: UUID | None) -> list[str]:
    """Put the caller's app into force and return recovery codes. The session to keep counts as proven by it."""
    bump_policy(session)
    user = queries.get_own_user(session, lock=True)
    factor = pending_factor(session, user.id)
    if not proven:
        raise wrong_code()
    factor.confirm_time = system_clock()
    session.execute(update(LoginSession).where(LoginSession.id == keep).values(second_factor=True))
    session.flush()
    codes = new_recovery_codes(session, user.id)
    revoke_tokens(session, end_sessions(session, user.id, keep=keep))
    audit.record(session, "user.second_factor_enable", user.name, {"second_factor": False}, {"second_factor": True})
    return codes


def pending_factor(session: ServiceSession, user_id: UUID) -> TotpFactor:
    """The app that a user is setting up. Raises Conflict if there is none, or if it is in force."""
    factor = get_factor(session, user_id, lock=True)
    if factor is not None and factor.confirm_time is not None:
        raise Conflict("SECOND_FACTOR_ENABLED", "the authenticator app is in force already")
    if factor is None or factor.create_time <= system_clock() - ENROLMENT_LIFE:
        raise Conflict("ENROLMENT_NOT_BEGUN", "begin to set up an authenticator app first")
    return factor


def wrong_code() -> Invalid:
    """The error for a code that proves nothing."""
    return Invalid("BAD_CODE", "the code is wrong or was used before; wait for the next one", field="code")
