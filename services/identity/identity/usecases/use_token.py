"""Set a password by a link: activate an account, or replace a password that was forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis import audit, outbox
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Invalid
from sqlalchemy import ColumnElement, select

from identity import mails
from identity.model import AccountToken, TokenPurpose, User, UserState
from identity.password_rules import PasswordRules, read_rules
from identity.policy import bump_policy, end_sessions, revoke_tokens
from identity.secret_tokens import digest
from identity.usecases.open_session import lock_user
from identity.usecases.set_password import former_passwords, set_password


@dataclass(frozen=True)
class TokenBearer:
    """Whom a token belongs to, and what their next password must be unlike."""

    user_id: UUID
    username: str
    former: Sequence[str]
    """The hashes of the passwords that may not be taken again."""
    rules: PasswordRules


def find_bearer(session: ServiceSession, token: str, purpose: TokenPurpose) -> TokenBearer | None:
    """Whom a token belongs to; None if it works no more, or never did."""
    statement = select(User).join(AccountToken, AccountToken.user_id == User.id).where(*_matches(token, purpose))
    user = session.scalars(statement).one_or_none()
    if user is None:
        return None
    return TokenBearer(user.id, user.username, former_passwords(session, user.id), read_rules(session))


def activate_account(session: ServiceSession, bearer: TokenBearer | None, token: str, password_hash: str) -> None:
    """Give an invited user a password. From now on the user may sign in."""
    user = _take(session, bearer, token, TokenPurpose.INVITATION, UserState.INVITED)
    before = user.snapshot()
    set_password(session, user, password_hash)
    user.state, user.version, user.update_time = UserState.ACTIVE.value, user.version + 1, session.now
    session.flush()
    audit.record(session, "user.activate", user.name, before, user.snapshot())
    outbox.emit(session, user.changed())


def complete_reset(session: ServiceSession, bearer: TokenBearer | None, token: str, password_hash: str) -> None:
    """Replace a password that was forgotten and end all of the user's sessions."""
    bump_policy(session)
    user = _take(session, bearer, token, TokenPurpose.RESET, UserState.ACTIVE)
    set_password(session, user, password_hash)
    revoke_tokens(session, [user.name, *end_sessions(session, user.id)])
    mails.send(session, user, "password_changed")
    audit.record(session, "user.complete_password_reset", user.name, None, None)


def _take(
    session: ServiceSession, bearer: TokenBearer | None, token: str, purpose: TokenPurpose, state: UserState
) -> User:
    """The user, locked, whose token is used up by this transaction."""
    user = lock_user(session, bearer.user_id if bearer else None)
    kept = session.scalars(select(AccountToken).where(*_matches(token, purpose))).one_or_none()
    if user is None or kept is None or user.state != state:
        raise _useless()
    return user


def _matches(token: str, purpose: TokenPurpose) -> tuple[ColumnElement[bool], ...]:
    return (
        AccountToken.digest == digest(token),
        AccountToken.purpose == purpose,
        AccountToken.expire_time > system_clock(),
    )


def _useless() -> Invalid:
    message = "this link works no more, it was used or has expired; ask for a new one"
    return Invalid("INVALID_ACCOUNT_TOKEN", message, field="token")
