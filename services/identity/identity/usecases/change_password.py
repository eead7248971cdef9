"""Change one's own password."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid

from identity import queries
from identity.policy import bump_policy, end_sessions, revoke_tokens
from identity.usecases.set_password import set_password
from identity.usecases.sign_in import Attempt, forget_attempt


def change_password(
    session: ServiceSession, attempt: Attempt, *, proven: bool, password_hash: str, keep: UUID | None
) -> None:
    """Replace the caller's password and end the caller's sessions but the one to keep."""
    if not proven:
        raise Invalid("WRONG_PASSWORD", "the present password is another one", field="current_password")
    bump_policy(session)
    user = queries.get_own_user(session, lock=True)
    if user.password_hash != attempt.password_hash:
        raise Conflict("PASSWORD_CHANGED", "the password was changed just now; start over with the new one")
    set_password(session, user, password_hash)
    forget_attempt(session, attempt)
    revoke_tokens(session, end_sessions(session, user.id, keep=keep))
    audit.record(session, "user.change_password", user.name, None, None)
