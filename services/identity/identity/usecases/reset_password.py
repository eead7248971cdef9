"""Set another user's password."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied

from identity import queries
from identity.model import User, UserState
from identity.policy import bump_policy, end_sessions, revoke_tokens
from identity.usecases.create_user import ensure_may_give_roles
from identity.usecases.set_password import set_password


def reset_password(session: ServiceSession, user_id: UUID, password_hash: str, *, must_change: bool = False) -> User:
    """Replace a user's password and end all their sessions.

    Whoever sets a password can sign in with it, so the user must not be able to do more than the caller. Nobody
    resets their own: to change that, one proves the present one. With `must_change` the password opens nothing but the
    way to another one.
    """
    if user_id == session.caller.user_id:
        raise Denied("OWN_PASSWORD", "change your own password by ChangePassword, with the present one")
    bump_policy(session)
    user = queries.get_user(session, user_id, "user.update", lock=True)
    ensure_may_give_roles(session, user.roles, user)
    if user.state == UserState.INVITED:
        raise Conflict("NOT_ACTIVATED", "the person has no password yet: invite the person again", user=user.name)
    set_password(session, user, password_hash, must_change=must_change)
    revoke_tokens(session, [user.name, *end_sessions(session, user.id)])
    audit.record(session, "user.reset_password", user.name, None, None)
    return user
