"""Finish a sign-in at an identity provider.

In three steps: what was begun is used up; the provider is asked, outside any transaction; whom it names is let in.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.callers import Caller, service_caller
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Unauthenticated
from chassis.names import make_name
from sqlalchemy import delete, select

from identity.model import (
    IdentityProvider,
    LinkedIdentity,
    PendingSignIn,
    Role,
    SignInMethod,
    User,
    UserMatching,
    UserState,
)
from identity.secret_tokens import digest, matches
from identity.usecases.complete_login import Challenge, enter
from identity.usecases.create_user import UserDraft, create_user
from identity.usecases.link_identity import add_link
from identity.usecases.open_session import Admission, lock_user, make_room


@dataclass(frozen=True)
class Begun:
    """A sign-in that was begun and is being finished."""

    provider: IdentityProvider
    client_secret: str
    redirect_uri: str
    nonce: str
    code_verifier: str


def use_up(session: ServiceSession, state: str, browser_secret: str) -> Begun:
    """Take what was begun, so that nobody can finish it again. Raises Unauthenticated."""
    pending = session.scalars(
        select(PendingSignIn).where(PendingSignIn.state_digest == digest(state)).with_for_update()
    ).one_or_none()
    if pending is None or not matches(pending.browser_digest, browser_secret) or pending.expire_time <= system_clock():
        raise Unauthenticated("INVALID_SIGN_IN", "this sign-in took too long or is finished; begin again")
    provider = session.get_one(IdentityProvider, pending.provider_id)
    if provider.disabled:
        raise Unauthenticated("INVALID_SIGN_IN", "this sign-in took too long or is finished; begin again")
    keys, secret = session.data_keys, provider.client_secret
    begun = Begun(
        provider,
        keys.open(secret, IdentityProvider.place(provider.id)) if secret else "",
        pending.redirect_uri,
        pending.nonce,
        keys.open(pending.code_verifier, PendingSignIn.place(pending.id)),
    )
    session.execute(delete(PendingSignIn).where(PendingSignIn.id == pending.id))
    return begun


def enter_by_identity(
    session: ServiceSession, provider: IdentityProvider, claims: dict[str, Any]
) -> Admission | Challenge:
    """Let in the user whom the claims of a validated ID token name. Raises Unauthenticated."""
    address = _allowed_address(provider, claims)
    user_id = _linked(session, provider, claims["sub"]) or _matched(session, provider, claims, address)
    # The department may have been deleted since.
    if user_id is None and provider.auto_provision and provider.default_department_id is not None:
        user_id = _provision(session, provider, claims, address)
    make_room(session, user_id)
    user = lock_user(session, user_id)
    if user is not None and user.state == UserState.INVITED:
        _activate(session, user)
    if user is None or not user.active:
        raise Unauthenticated("IDENTITY_UNKNOWN", "nobody here is known by this identity; ask an administrator")
    session.caller = Caller(subject=user.name, user_id=user.id)
    return enter(session, user, SignInMethod.OIDC, second_factor=provider.second_factor_trusted)


def _allowed_address(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    """The verified e-mail address; empty without one. Raises Unauthenticated if it must belong to other domains."""
    address = str(claims.get("email") or "").strip().lower()
    verified = address if claims.get("email_verified") is True else ""
    if provider.email_domains and verified.rpartition("@")[2] not in provider.email_domains:
        if address and not verified:
            raise _unverified()
        raise Unauthenticated("EMAIL_DOMAIN_NOT_ALLOWED", "addresses of this domain may not sign in by this provider")
    return verified


def _linked(session: ServiceSession, provider: IdentityProvider, subject: str) -> UUID | None:
    link = select(LinkedIdentity.user_id).where(
        LinkedIdentity.issuer == provider.issuer, LinkedIdentity.subject == subject
    )
    return session.scalars(link).one_or_none()


def _matched(session: ServiceSession, provider: IdentityProvider, claims: dict[str, Any], address: str) -> UUID | None:
    """Who is known the first time by address or name. From then on the link counts."""
    if provider.matching == UserMatching.EMAIL:
        if claims.get("email") and not address:
            raise _unverified()
        known = User.email == address
    elif provider.matching == UserMatching.USERNAME:
        known = User.username == str(claims.get("preferred_username") or "").strip().lower()
    else:
        return None
    user_id = session.scalars(select(User.id).where(known)).one_or_none()
    return _link(session, provider, claims["sub"], user_id) if user_id else None


def _provision(session: ServiceSession, provider: IdentityProvider, claims: dict[str, Any], address: str) -> UUID:
    """Make a user of somebody who is nobody yet. A taken name or address is refused: it may be somebody else's."""
    if not address:
        raise _unverified()
    # Nobody who may create users has asked for it but the installation itself, when the provider was set up.
    session.caller = service_caller(session.service)
    roles = session.scalars(select(Role.id).where(Role.id.in_(provider.default_role_ids))).all()
    draft = UserDraft(
        username=str(claims.get("preferred_username") or address.partition("@")[0]),
        display_name=str(claims.get("name") or address.partition("@")[0])[:100],
        department_id=provider.default_department_id,
        email=address,
        role_ids=tuple(roles),
    )
    user = create_user(session, draft, None)
    return _link(session, provider, claims["sub"], user.id)


def _activate(session: ServiceSession, user: User) -> None:
    """Somebody who was invited, or made a user just now, needs no password of ours."""
    before = user.snapshot()
    user.state, user.version, user.update_time = UserState.ACTIVE.value, user.version + 1, session.now
    session.flush()
    audit.record(session, "user.activate", user.name, before, user.snapshot())
    outbox.emit(session, user.changed())


def _link(session: ServiceSession, provider: IdentityProvider, subject: str, user_id: UUID) -> UUID:
    linked = add_link(session, provider.issuer, subject, user_id)
    after = {"issuer": provider.issuer, "subject": subject}
    audit.record(session, "user.link_identity", make_name("users", linked), None, after)
    return linked


def _unverified() -> Unauthenticated:
    return Unauthenticated("EMAIL_NOT_VERIFIED", "the provider has not verified this e-mail address")
