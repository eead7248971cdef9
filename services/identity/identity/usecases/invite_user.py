"""Invite a person, who then sets the password by a link."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chassis import audit, outbox
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from identity import mails, queries
from identity.links import Links
from identity.model import AccountToken, TokenPurpose, User, UserState
from identity.policy import bump_policy
from identity.secret_tokens import digest
from identity.usecases.create_user import UserDraft, create_user, ensure_may_give_roles

INVITATION_LIFE = timedelta(days=7)


@dataclass(frozen=True)
class Invitation:
    """A person who was invited."""

    user: User
    token: AccountToken
    link: str
    mailed: bool
    """False for a person without an e-mail address: then whoever invites passes the link on."""


def invite_user(session: ServiceSession, draft: UserDraft, links: Links) -> Invitation:
    """Create a user without a password and send the link to set one."""
    if not draft.email.strip() and not draft.phone.strip():
        raise Invalid("REQUIRED", "give an e-mail address, or a phone number to tell the link by", field="email")
    return _invite(session, create_user(session, draft, None), links)


def resend_invitation(session: ServiceSession, user_id: UUID, links: Links) -> Invitation:
    """Make a new link for a user who has no password. Who was deactivated meanwhile is invited again.

    Whoever holds the link can sign in with it, so the user must not be able to do more than the caller.
    """
    bump_policy(session)
    user = queries.get_user(session, user_id, "user.update", lock=True)
    ensure_may_give_roles(session, user.roles, user)
    if user.password_hash is not None or user.active:
        raise Conflict("ALREADY_ACTIVATED", "the person signs in already; a password can be reset", user=user.name)
    if user.state != UserState.INVITED:
        before = user.snapshot()
        user.state, user.version, user.update_time = UserState.INVITED.value, user.version + 1, session.now
        session.flush()
        audit.record(session, "user.update", user.name, before, user.snapshot())
        outbox.emit(session, user.changed())
    return _invite(session, user, links)


def make_token(session: ServiceSession, user: User, purpose: TokenPurpose, life: timedelta) -> tuple[AccountToken, str]:
    """A token that works once, in place of any former one for the purpose, and its text, which is not kept."""
    text = secrets.token_urlsafe(32)
    values = {"digest": digest(text), "expire_time": system_clock() + life}
    statement = insert(AccountToken).values(user_id=user.id, purpose=purpose.value, **values)
    kept = statement.on_conflict_do_update(index_elements=["user_id", "purpose"], set_=values).returning(AccountToken)
    token = session.scalars(select(AccountToken).from_statement(kept).execution_options(populate_existing=True)).one()
    return token, text


def _invite(session: ServiceSession, user: User, links: Links) -> Invitation:
    token, text = make_token(session, user, TokenPurpose.INVITATION, INVITATION_LIFE)
    link = links.activation(text)
    mailed = mails.send(session, user, "invitation", token=token, link=link, inviter=_inviter(session))
    audit.record(session, "user.invite", user.name, None, {"mailed": mailed})
    return Invitation(user, token, "" if mailed else link, mailed)


def _inviter(session: ServiceSession) -> str:
    inviter = session.get(User, session.caller.user_id) if session.caller.user_id else None
    return inviter.display_name if inviter else "CRM"
