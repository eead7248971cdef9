"""Exchange a refresh token for a new pair."""

from enum import StrEnum

from chassis import audit
from chassis.clock import system_clock
from chassis.db import ServiceSession
from sqlalchemy import select

from identity.model import LoginSession, RefreshToken
from identity.policy import bump_policy, revoke_tokens
from identity.secret_tokens import digest
from identity.usecases.open_session import Admission, continue_session, lock_user


class Refusal(StrEnum):
    """Why a refresh token is refused. The values are the reasons that clients see."""

    INVALID = "INVALID_REFRESH_TOKEN"
    REUSED = "REFRESH_TOKEN_REUSED"


def refresh_tokens(session: ServiceSession, refresh_token: str) -> Admission | Refusal:
    """Use a refresh token, once.

    A second use means that two parties hold it and one of them stole it; as nobody can tell which, the session
    ends for both. Returns the refusal, as the session's end must be committed.
    """
    kept = session.scalars(
        select(RefreshToken).where(RefreshToken.digest == digest(refresh_token)).with_for_update()
    ).one_or_none()
    if kept is None:
        return Refusal.INVALID
    if kept.use_time is not None:
        return _end_reused(session, kept)
    login = session.get_one(LoginSession, kept.session_id)
    user = lock_user(session, login.user_id)
    session.refresh(login, with_for_update=True)
    now = system_clock()
    if user is None or not user.active or login.revoke_time is not None or kept.expire_time <= now:
        return Refusal.INVALID
    kept.use_time = now
    return continue_session(session, user, login)


def _end_reused(session: ServiceSession, kept: RefreshToken) -> Refusal:
    login = session.get_one(LoginSession, kept.session_id)
    if login.revoke_time is not None:
        return Refusal.INVALID
    end_session(session, login)
    audit.record(session, "user.session_revoked", f"users/{login.user_id}", None, {"reason": Refusal.REUSED})
    return Refusal.REUSED


def end_session(session: ServiceSession, login: LoginSession) -> None:
    """End a session: its refresh tokens work no more, its access tokens are refused."""
    bump_policy(session)
    session.refresh(login, with_for_update=True)
    login.revoke_time = login.revoke_time or system_clock()
    session.flush()
    revoke_tokens(session, [login.name])
