"""Give up a second factor, or replace its recovery codes."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, Invalid
from sqlalchemy import update

from identity import queries
from identity.model import LoginSession, TotpFactor, User
from identity.policy import bump_policy, end_sessions, revoke_tokens
from identity.usecases.create_user import ensure_may_give_roles
from identity.usecases.enrol_totp import wrong_code
from identity.usecases.prove_code import get_factor, new_recovery_codes
from identity.usecases.sign_in import Attempt, forget_attempt


def disable_totp(session: ServiceSession, attempt: Attempt, *, password_proven: bool, code_proven: bool) -> None:
    """Give up the caller's second factor, which takes the password and a code."""
    user = queries.get_own_user(session, lock=True)
    factor = own_factor(session, user)
    if any(role.require_second_factor for role in user.roles):
        raise Conflict("SECOND_FACTOR_REQUIRED", "a role of yours requires a second factor")
    if not password_proven:
        raise Invalid("WRONG_PASSWORD", "the present password is another one", field="password")
    if not code_proven:
        raise wrong_code()
    forget_attempt(session, attempt)
    _remove(session, user, factor, "user.second_factor_disable")


def reset_second_factor(session: ServiceSession, user_id: UUID) -> None:
    """Take away a user's second factor and end all their sessions.

    The user must not be able to do more than the caller, as with passwords. Nobody resets their own.
    """
    if user_id == session.caller.user_id:
        raise Denied("OWN_SECOND_FACTOR", "give up your own second factor by DisableTotp, with a code of it")
    bump_policy(session)
    user = queries.get_user(session, user_id, "user.update", lock=True)
    ensure_may_give_roles(session, user.roles, user)
    factor = get_factor(session, user.id, lock=True)
    if factor is None:
        raise Conflict("NO_SECOND_FACTOR", "the user has no second factor")
    _remove(session, user, factor, "user.second_factor_reset")
    revoke_tokens(session, [user.name, *end_sessions(session, user.id)])


def renew_recovery_codes(session: ServiceSession, *, proven: bool) -> list[str]:
    """Replace the caller's recovery codes."""
    user = queries.get_own_user(session, lock=True)
    own_factor(session, user)
    if not proven:
        raise wrong_code()
    audit.record(session, "user.recovery_codes_renew", user.name, None, None)
    return new_recovery_codes(session, user.id)


def own_factor(session: ServiceSession, user: User) -> TotpFactor:
    """The user's second factor. Raises Conflict if none is in force."""
    factor = get_factor(session, user.id, lock=True)
    if factor is None or factor.confirm_time is None:
        raise Conflict("NO_SECOND_FACTOR", "there is no second factor; set one up first")
    return factor


def _remove(session: ServiceSession, user: User, factor: TotpFactor, action: str) -> None:
    session.delete(factor)
    session.execute(update(LoginSession).where(LoginSession.user_id == user.id).values(second_factor=False))
    session.flush()
    audit.record(session, action, user.name, {"second_factor": True}, {"second_factor": False})
