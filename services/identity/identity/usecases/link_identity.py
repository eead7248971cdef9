"""Say which subject of an identity provider a user is, or no longer is."""

from uuid import UUID

from chassis import audit
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Duplicate, Invalid
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from identity import queries, sign_in_queries
from identity.model import IdentityProvider, LinkedIdentity, User
from identity.usecases.create_user import ensure_may_give_roles

MAXIMUM_SUBJECT = 255
"""OpenID Connect Core, 2: `sub`."""


def link_identity(session: ServiceSession, provider_id: UUID, user_id: UUID, subject: str) -> None:
    """Let a user sign in as a subject. Whoever the subject is can do what the user can: no more than the caller."""
    provider, user = _both(session, provider_id, user_id)
    if not 1 <= len(subject) <= MAXIMUM_SUBJECT:
        raise Invalid("INVALID_SUBJECT", f"a subject has 1 to {MAXIMUM_SUBJECT} characters", field="subject")
    ensure_may_give_roles(session, user.roles, user)
    if add_link(session, provider.issuer, subject, user.id) != user.id:
        raise Duplicate("IDENTITY_TAKEN", "this subject is another user", field="subject")
    after = {"issuer": provider.issuer, "subject": subject}
    audit.record(session, "user.link_identity", user.name, None, after)


def unlink_identity(session: ServiceSession, provider_id: UUID, user_id: UUID) -> None:
    """Take the user's links to the provider's issuer away."""
    provider, user = _both(session, provider_id, user_id)
    gone = delete(LinkedIdentity).where(LinkedIdentity.user_id == user.id, LinkedIdentity.issuer == provider.issuer)
    for subject in session.scalars(gone.returning(LinkedIdentity.subject)).all():
        audit.record(session, "user.unlink_identity", user.name, {"issuer": provider.issuer, "subject": subject}, None)


def add_link(session: ServiceSession, issuer: str, subject: str, user_id: UUID) -> UUID:
    """Keep that a subject is a user, unless it is one already. Returns the user that it is."""
    values = {"issuer": issuer, "subject": subject, "user_id": user_id, "create_time": system_clock()}
    session.execute(insert(LinkedIdentity).values(**values).on_conflict_do_nothing())
    known = select(LinkedIdentity.user_id).where(LinkedIdentity.issuer == issuer, LinkedIdentity.subject == subject)
    return session.scalars(known).one()


def _both(session: ServiceSession, provider_id: UUID, user_id: UUID) -> tuple[IdentityProvider, User]:
    session.caller.require_everything("identity_provider.update")
    provider = sign_in_queries.get_provider(session, provider_id)
    return provider, queries.get_user(session, user_id, "identity_provider.update", lock=True)
