"""Sign a person in by password.

An attempt is counted before the password is looked at, and taken back if the password was right: so parallel
guesses cannot outrun the count. The password is verified between the two steps, outside any transaction.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis import audit
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Exhausted
from chassis.names import make_name, new_id
from sqlalchemy import delete, func, or_, select

from identity import queries
from identity.locks import lock_attempts
from identity.model import LoginAttempt, LoginSession, RefreshToken, User
from identity.policy import policy_version
from identity.secret_tokens import digest

ATTEMPTS = 10
ATTEMPTS_WINDOW = timedelta(minutes=15)
REFRESH_TOKEN_LIFE = timedelta(days=30)


@dataclass(frozen=True)
class Attempt:
    """An attempt to prove a password."""

    id: UUID
    user_id: UUID | None
    """None if nobody has the name given."""
    password_hash: str | None


@dataclass(frozen=True)
class Admission:
    """A user who may have an access token now, and the refresh token to go with it. Times are real times."""

    user: User
    session_id: UUID
    refresh_token: str
    issued_at: datetime
    policy_version: int


def begin_attempt(session: ServiceSession, login: str) -> Attempt:
    """Count an attempt for a login name or e-mail address. Raises Exhausted after too many that failed.

    A name that nobody has counts like any other, so that the answer does not tell them apart.
    """
    name = login.strip().lower()
    statement = select(User.id, User.password_hash).where(or_(User.username == name, User.email == name))
    found = session.execute(statement).first()
    if found is None:
        return Attempt(_count_attempt(session, name), None, None)
    return Attempt(_count_attempt(session, make_name("users", found.id)), found.id, found.password_hash)


def begin_own_attempt(session: ServiceSession) -> Attempt:
    """Count an attempt of the caller to prove their own password."""
    user = queries.get_own_user(session)
    return Attempt(_count_attempt(session, user.name), user.id, user.password_hash)


def forget_attempt(session: ServiceSession, attempt: Attempt) -> None:
    """Take an attempt back: it succeeded."""
    session.execute(delete(LoginAttempt).where(LoginAttempt.id == attempt.id))


def admit(session: ServiceSession, attempt: Attempt) -> Admission | None:
    """Open a session for the user, whose password was right; None if they may not sign in."""
    user = lock_user(session, attempt.user_id)
    if user is None or not user.active or user.password_hash != attempt.password_hash:
        return None
    forget_attempt(session, attempt)
    user.last_login_time = session.now
    now = system_clock()
    login = LoginSession(id=new_id(), user_id=user.id, create_time=now, expire_time=now + REFRESH_TOKEN_LIFE)
    session.add(login)
    session.flush()
    audit.record(session, "user.login", user.name, None, {"session": str(login.id)})
    return continue_session(session, user, login)


def refuse(session: ServiceSession, attempt: Attempt) -> None:
    """Record that somebody failed to sign in."""
    resource = make_name("users", attempt.user_id) or "users/-"
    audit.record(session, "user.login_refused", resource, None, None)


def lock_user(session: ServiceSession, user_id: UUID | None) -> User | None:
    """A user, with no change of standing under way while tokens are given out."""
    return session.scalars(select(User).where(User.id == user_id).with_for_update(of=User)).one_or_none()


def continue_session(session: ServiceSession, user: User, login: LoginSession) -> Admission:
    """Give the next refresh token of a session. The user and the session are locked."""
    now = system_clock()
    token = secrets.token_urlsafe(32)
    login.expire_time = now + REFRESH_TOKEN_LIFE
    session.add(RefreshToken(digest=digest(token), session_id=login.id, expire_time=login.expire_time))
    session.flush()
    return Admission(user, login.id, token, now, policy_version(session))


def _count_attempt(session: ServiceSession, whose: str) -> UUID:
    key = hashlib.sha256(whose.encode()).digest()
    lock_attempts(session, key)
    now = system_clock()
    recent = select(func.count()).where(LoginAttempt.key == key, LoginAttempt.time > now - ATTEMPTS_WINDOW)
    if session.scalars(recent).one() >= ATTEMPTS:
        raise Exhausted(
            "TOO_MANY_ATTEMPTS",
            f"too many failed attempts; try again in {ATTEMPTS_WINDOW.seconds // 60} minutes",
            retry_after_seconds=ATTEMPTS_WINDOW.seconds,
        )
    attempt = LoginAttempt(id=new_id(), key=key, time=now)
    session.add(attempt)
    session.flush()
    return attempt.id
