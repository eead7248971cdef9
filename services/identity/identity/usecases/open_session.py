"""Open a session, and continue one: what every way to sign in ends with."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis import audit
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.names import new_id
from chassis.origins import current_origin
from sqlalchemy import ColumnElement, func, select, update

from identity.model import LoginSession, RefreshToken, SignInMethod, User
from identity.policy import bump_policy, policy_version, revoke_tokens
from identity.secret_tokens import digest
from identity.usecases.set_password import must_change_password

REFRESH_TOKEN_LIFE = timedelta(days=30)
MAXIMUM_SESSIONS = 20
"""The sessions that a user may have open; one more ends the one that was unused for longest."""


@dataclass(frozen=True)
class Admission:
    """A user who may have an access token now, and the refresh token to go with it. Times are real times."""

    user: User
    session_id: UUID
    refresh_token: str
    issued_at: datetime
    policy_version: int
    second_factor: bool
    must_change_password: bool
    """True if the password that was proved must be replaced first: then the tokens permit nothing."""

    @property
    def limited(self) -> bool:
        """True if a role requires a second factor that was not given: then the tokens permit nothing."""
        return not self.second_factor and any(role.require_second_factor for role in self.user.roles)


def lock_user(session: ServiceSession, user_id: UUID | None) -> User | None:
    """A user, with no change of standing under way while tokens are given out."""
    return session.scalars(select(User).where(User.id == user_id).with_for_update(of=User)).one_or_none()


def make_room(session: ServiceSession, user_id: UUID | None) -> None:
    """Let a user who has as many sessions as may be open one more. Call it before the user is locked."""
    if session.scalars(select(func.count()).where(*_open(user_id))).one() >= MAXIMUM_SESSIONS:
        # Tokens are refused by a new version of the policy, which is locked before users: see `identity.locks`.
        bump_policy(session)


def open_session(session: ServiceSession, user: User, method: SignInMethod, *, second_factor: bool) -> Admission:
    """Open a session for a user who is locked and may sign in. The oldest ones beyond the limit end."""
    user.last_login_time = session.now
    now, origin = system_clock(), current_origin()
    _end_oldest(session, user.id)
    login = LoginSession(
        id=new_id(),
        user_id=user.id,
        create_time=now,
        expire_time=now + REFRESH_TOKEN_LIFE,
        agent=origin.agent,
        method=method.value,
        second_factor=second_factor,
    )
    session.add(login)
    session.flush()
    audit.record(session, "user.login", user.name, None, {"session": str(login.id), "method": method.value})
    return continue_session(session, user, login)


def continue_session(session: ServiceSession, user: User, login: LoginSession) -> Admission:
    """Give the next refresh token of a session. The user and the session are locked."""
    now = system_clock()
    token = secrets.token_urlsafe(32)
    login.expire_time, login.last_use_time = now + REFRESH_TOKEN_LIFE, now
    login.address = current_origin().address
    session.add(RefreshToken(digest=digest(token), session_id=login.id, expire_time=login.expire_time))
    session.flush()
    must_change = login.method == SignInMethod.PASSWORD and must_change_password(session, user)
    return Admission(user, login.id, token, now, policy_version(session), login.second_factor, must_change)


def _open(user_id: UUID | None) -> tuple[ColumnElement[bool], ...]:
    return (
        LoginSession.user_id == user_id,
        LoginSession.revoke_time.is_(None),
        LoginSession.expire_time > system_clock(),
    )


def _end_oldest(session: ServiceSession, user_id: UUID) -> None:
    last_use = func.coalesce(LoginSession.last_use_time, LoginSession.create_time)
    surplus = select(LoginSession.id).where(*_open(user_id)).order_by(last_use.desc()).offset(MAXIMUM_SESSIONS - 1)
    ended = update(LoginSession).where(LoginSession.id.in_(surplus)).values(revoke_time=system_clock())
    keys = session.scalars(ended.returning(LoginSession.id)).all()
    revoke_tokens(session, [f"sessions/{key}" for key in keys])
