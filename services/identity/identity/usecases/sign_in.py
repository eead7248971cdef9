"""Sign a person in by password.

An attempt is counted before the password is looked at, and taken back if the password was right: so parallel
guesses cannot outrun the count. The password is verified between the two steps, outside any transaction.
"""

from dataclasses import dataclass
from uuid import UUID

from chassis import audit, formats
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import make_name
from sqlalchemy import delete, or_, select

from identity import queries
from identity.attempts import SIGN_IN, count_attempt
from identity.model import LoginAttempt, SignInMethod, User
from identity.usecases.complete_login import Challenge, enter
from identity.usecases.open_session import Admission, lock_user, make_room


@dataclass(frozen=True)
class Attempt:
    """An attempt to prove a password."""

    id: UUID
    user_id: UUID | None
    """None if nobody has the name given."""
    password_hash: str | None


@dataclass(frozen=True)
class FoundLogin:
    """Who was found by what was typed."""

    user_id: UUID | None
    """None if nobody has the name given."""
    password_hash: str | None
    whose: str
    """What attempts are counted for: the user, or the name that nobody has."""


def find_login(session: ServiceSession, login: str) -> FoundLogin:
    """Look for whoever has a login name, an e-mail address or a phone number. A login name goes before a number."""
    name = login.strip().lower()
    statement = (
        select(User.id, User.password_hash)
        .where(or_(User.username == name, User.email == name, User.login_phone == _phone(name)))
        .order_by((User.username == name).desc())
        .limit(1)
    )
    found = session.execute(statement).first()
    if found is None:
        return FoundLogin(None, None, name)
    return FoundLogin(found.id, found.password_hash, make_name("users", found.id))


def begin_attempt(session: ServiceSession, login: str) -> Attempt:
    """Count an attempt for what was typed as a login name. Raises Exhausted after too many that failed.

    A name that nobody has counts like any other, so that the answer does not tell them apart.
    """
    found = find_login(session, login)
    return Attempt(count_attempt(session, SIGN_IN, found.whose), found.user_id, found.password_hash)


def begin_own_attempt(session: ServiceSession) -> Attempt:
    """Count an attempt of the caller to prove their own password."""
    user = queries.get_own_user(session)
    return Attempt(count_attempt(session, SIGN_IN, user.name), user.id, user.password_hash)


def forget_attempt(session: ServiceSession, attempt: Attempt) -> None:
    """Take an attempt back: it succeeded."""
    session.execute(delete(LoginAttempt).where(LoginAttempt.id == attempt.id))


def admit(session: ServiceSession, attempt: Attempt) -> Admission | Challenge | None:
    """Let in the user, whose password was right, or ask for the second factor; None if they may not sign in."""
    make_room(session, attempt.user_id)
    user = lock_user(session, attempt.user_id)
    if user is None or not user.active or user.password_hash != attempt.password_hash:
        return None
    forget_attempt(session, attempt)
    return enter(session, user, SignInMethod.PASSWORD)


def refuse(session: ServiceSession, attempt: Attempt) -> None:
    """Record that somebody failed to sign in."""
    resource = make_name("users", attempt.user_id) or "users/-"
    audit.record(session, "user.login_refused", resource, None, None)


def _phone(login: str) -> str:
    """What was typed as a phone number is kept; itself if it is none, which no user has for a number."""
    try:
        return formats.phone(login)
    except Invalid:
        return login
