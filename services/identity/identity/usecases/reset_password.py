"""Set another user's password."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Denied

from identity import queries
from identity.model import User
from identity.policy import bump_policy, end_sessions, revoke_tokens
from identity.usecases.create_user import ensure_may_give_roles


def reset_password(session: ServiceSession, user_id: UUID, password_hash: str) -> User:
    """Replace a user's password and end all their sessions.

    Whoever sets a password can sign in with it, so the user must not be able to do more than the caller. Nobody
    resets their own: to change that, one proves the present one.
    """
    if user_id == session.caller.user_id:
        raise Denied("OWN_PASSWORD", "change your own password by ChangePassword, with the present one")
    bump_policy(session)
    user = queries.get_user(session, user_id, "user.update", lock=True)
    ensure_may_give_roles(session, user.roles, user)
    user.password_hash = password_hash
    session.flush()
    revoke_tokens(session, [user.name, *end_sessions(session, user.id)])
    audit.record(session, "user.reset_password", user.name, None, None)
    return user
