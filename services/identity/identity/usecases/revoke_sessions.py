"""End sessions: one's own, or all of another user."""

from uuid import UUID

from chassis import audit
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import NotFound
from sqlalchemy import select

from identity import queries
from identity.model import LoginSession
from identity.policy import bump_policy, end_sessions, revoke_tokens
from identity.usecases.create_user import ensure_may_give_roles


def revoke_session(session: ServiceSession, session_id: UUID) -> None:
    """End one of the caller's open sessions. Raises NotFound for what is none of them."""
    bump_policy(session)
    login = session.scalars(
        select(LoginSession)
        .where(
            LoginSession.id == session_id,
            LoginSession.user_id == session.caller.user_id,
            LoginSession.revoke_time.is_(None),
        )
        .with_for_update()
    ).one_or_none()
    if login is None:
        raise NotFound("SESSION_NOT_FOUND", "you have no such session open", session=f"sessions/{session_id}")
    login.revoke_time = system_clock()
    session.flush()
    revoke_tokens(session, [login.name])
    resource = f"users/{login.user_id}"
    audit.record(session, "user.session_revoked", resource, {"session": str(login.id)}, None)


def revoke_user_sessions(session: ServiceSession, user_id: UUID) -> None:
    """End all sessions of a user within reach, who must not be able to do more than the caller."""
    bump_policy(session)
    user = queries.get_user(session, user_id, "user.update", lock=True)
    if user.id != session.caller.user_id:
        ensure_may_give_roles(session, user.roles, user)
    ended = end_sessions(session, user.id)
    revoke_tokens(session, [user.name, *ended])
    audit.record(session, "user.sessions_revoked", user.name, {"sessions": len(ended)}, None)
