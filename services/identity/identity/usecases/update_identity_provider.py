"""Change an identity provider."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from identity import sign_in_queries
from identity.locks import hold_tree
from identity.model import IdentityProvider
from identity.uniqueness import flush_unique
from identity.usecases.create_identity_provider import ProviderDraft, apply


def update_identity_provider(
    session: ServiceSession,
    provider_id: UUID,
    draft: ProviderDraft,
    paths: set[str],
    etag: str,
    *,
    allow_local_http: bool,
) -> IdentityProvider:
    """Change the fields at `paths` to what the draft says."""
    session.caller.require_everything("identity_provider.update")
    hold_tree(session)
    provider = sign_in_queries.get_provider(session, provider_id, lock=True)
    check_etag(etag, provider.version)
    before = provider.snapshot()
    apply(session, provider, draft, paths, allow_local_http=allow_local_http)
    if provider.snapshot() == before and "client_secret" not in paths:
        return provider
    provider.version += 1
    provider.update_time = session.now
    flush_unique(session)
    audit.record(session, "identity_provider.update", provider.name, before, provider.snapshot())
    return provider
