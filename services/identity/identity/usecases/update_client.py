"""Change a client."""

from collections.abc import Set
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from identity import queries
from identity.grants import check_grants, ensure_may_give
from identity.locks import hold_tree
from identity.model import Client, label
from identity.policy import bump_policy, revoke_tokens
from identity.usecases.create_client import ClientDraft, networks, rate

FIELDS = frozenset({"display_name", "grants", "disabled", "calls_per_minute", "allowed_addresses"})


def update_client(
    session: ServiceSession,
    client_key: UUID,
    draft: ClientDraft,
    paths: Set[str],
    etag: str,
    known_permissions: Set[str],
) -> Client:
    """Change the fields at `paths` to what the draft says. New grants must not exceed what the caller may do."""
    session.caller.require_everything("client.update")
    hold_tree(session)
    bump_policy(session)
    client = queries.get_client(session, client_key, lock=True)
    check_etag(etag, client.version)
    client.ensure_changeable()
    before = client.snapshot()
    _apply(session, client, draft, paths, known_permissions)
    after = client.snapshot()
    if after == before:
        return client
    client.version += 1
    session.flush()
    if client.disabled and not before["disabled"]:
        revoke_tokens(session, [client.name])
    audit.record(session, "client.update", client.name, before, after)
    return client


def _apply(
    session: ServiceSession, client: Client, draft: ClientDraft, paths: Set[str], known_permissions: Set[str]
) -> None:
    if "display_name" in paths:
        client.display_name = label(draft.display_name, field="display_name")
    if "grants" in paths:
        check_grants(draft.grants, known_permissions, field="grants", machine=True)
        held = set(client.grants)
        added = [grant for grant in draft.grants if grant not in held]
        names = queries.paths_of(session, draft.grants, field="grants")
        ensure_may_give(session.caller, [grant.resolve(names) for grant in added], None, "")
        client.stored_grants = [grant.to_json() for grant in draft.grants]
    if "disabled" in paths:
        client.disabled = draft.disabled
    if "calls_per_minute" in paths:
        client.calls_per_minute = rate(draft.calls_per_minute)
    if "allowed_addresses" in paths:
        client.allowed_addresses = networks(draft.allowed_addresses)
