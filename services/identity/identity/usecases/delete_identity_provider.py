"""Delete an identity provider."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from identity import sign_in_queries


def delete_identity_provider(session: ServiceSession, provider_id: UUID, etag: str) -> None:
    """Delete a provider. Nobody can finish a sign-in that was begun at it; users and their links stay."""
    session.caller.require_everything("identity_provider.delete")
    provider = sign_in_queries.get_provider(session, provider_id, lock=True)
    check_etag(etag, provider.version)
    session.delete(provider)
    session.flush()
    audit.record(session, "identity_provider.delete", provider.name, provider.snapshot(), None)
