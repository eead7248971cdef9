"""The second step of a login: a code for a challenge."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from chassis import audit, written
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.names import make_name
from sqlalchemy import select

from identity.model import LoginChallenge, SignInMethod, User
from identity.secret_tokens import digest
from identity.usecases.open_session import Admission, lock_user, make_room, open_session
from identity.usecases.prove_code import get_factor, prove_code

CHALLENGE_LIFE = timedelta(minutes=5)

written.exempt(LoginChallenge.__tablename__, "a sign-in half done; how it ends is audited")


@dataclass(frozen=True)
class Challenge:
    """What a login is answered with that waits for its second factor."""

    text: str


class Refusal(StrEnum):
    """Why a second step is refused. The values are the reasons that clients see."""

    CHALLENGE = "INVALID_CHALLENGE"
    CODE = "BAD_CODE"


def enter(
    session: ServiceSession, user: User, method: SignInMethod, *, second_factor: bool = False
) -> Admission | Challenge:
    """Let in a user who is locked and has done the first step, or ask for the second one."""
    factor = None if second_factor else get_factor(session, user.id)
    if factor is None or factor.confirm_time is None:
        return open_session(session, user, method, second_factor=second_factor)
    text = secrets.token_urlsafe(32)
    expire_time = system_clock() + CHALLENGE_LIFE
    session.add(LoginChallenge(digest=digest(text), user_id=user.id, method=method.value, expire_time=expire_time))
    session.flush()
    return Challenge(text)


def challenged_user(session: ServiceSession, challenge: str) -> UUID | None:
    """Whose login a challenge belongs to; None if it opens nothing any more."""
    statement = select(LoginChallenge.user_id).where(
        LoginChallenge.digest == digest(challenge), LoginChallenge.expire_time > system_clock()
    )
    return session.scalars(statement).one_or_none()


def complete_login(session: ServiceSession, user_id: UUID, challenge: str, code: str) -> Admission | Refusal:
    """Finish a login. Returns the refusal, as the count of wrong codes must be committed."""
    make_room(session, user_id)
    user = lock_user(session, user_id)
    waiting = session.scalars(
        select(LoginChallenge).where(
            LoginChallenge.digest == digest(challenge), LoginChallenge.expire_time > system_clock()
        )
    ).one_or_none()
    if waiting is None or user is None or not user.active:
        return Refusal.CHALLENGE
    if not prove_code(session, user.id, code, recovery=True):
        audit.record(session, "user.login_refused", make_name("users", user.id), None, {"reason": Refusal.CODE})
        return Refusal.CODE
    session.delete(waiting)
    session.flush()
    return open_session(session, user, SignInMethod(waiting.method), second_factor=True)
