"""Create a client."""

import re
import secrets
from collections.abc import Sequence, Set
from dataclasses import dataclass
from ipaddress import ip_network

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import new_id

from identity import queries
from identity.field_rules import ensure_may_show
from identity.grants import RoleGrant, check_grants, ensure_may_give
from identity.locks import hold_tree
from identity.model import Client, label
from identity.policy import bump_policy
from identity.secret_tokens import digest
from identity.uniqueness import flush_unique

SERVICE_PREFIX = "svc-"
MAXIMUM_RATE = 1_000_000
MAXIMUM_NETWORKS = 50
_CLIENT_ID = re.compile(r"[a-z][a-z0-9._-]{1,63}")


@dataclass(frozen=True)
class ClientDraft:
    """What callers say of a client."""

    client_id: str
    display_name: str
    grants: tuple[RoleGrant, ...]
    disabled: bool = False
    calls_per_minute: int = 0
    allowed_addresses: tuple[str, ...] = ()


def create_client(session: ServiceSession, draft: ClientDraft, known_permissions: Set[str]) -> tuple[Client, str]:
    """Add a machine that may do no more than the caller. Returns it with its secret, which is not kept."""
    session.caller.require_everything("client.create")
    if not _CLIENT_ID.fullmatch(draft.client_id) or draft.client_id.startswith(SERVICE_PREFIX):
        raise Invalid(
            "INVALID_CLIENT_ID",
            f"a client id has 2 to 64 of a-z, 0-9, '.', '_', '-', begins with a letter and not with {SERVICE_PREFIX}",
            field="client_id",
        )
    hold_tree(session)
    bump_policy(session)
    check_grants(draft.grants, known_permissions, field="grants", machine=True)
    paths = queries.paths_of(session, draft.grants, field="grants")
    ensure_may_give(session.caller, [grant.resolve(paths) for grant in draft.grants], None, "")
    ensure_may_show(session.caller, [grant.permission for grant in draft.grants], ())
    secret = secrets.token_urlsafe(32)
    return add_client(session, draft, secret, builtin=False), secret


def add_client(session: ServiceSession, draft: ClientDraft, secret: str, *, builtin: bool) -> Client:
    """Add a client whose grants have been checked."""
    client = Client(
        id=new_id(),
        client_id=draft.client_id,
        display_name=label(draft.display_name, field="display_name"),
        stored_grants=[grant.to_json() for grant in draft.grants],
        secret_digest=digest(secret),
        disabled=draft.disabled,
        calls_per_minute=rate(draft.calls_per_minute),
        allowed_addresses=networks(draft.allowed_addresses),
        builtin=builtin,
        version=1,
        create_time=session.now,
    )
    session.add(client)
    flush_unique(session)
    audit.record(session, "client.create", client.name, None, client.snapshot())
    return client


def rate(calls_per_minute: int) -> int:
    """A number of calls per minute. Raises Invalid INVALID_RATE."""
    if not 0 <= calls_per_minute <= MAXIMUM_RATE:
        message = f"from 1 to {MAXIMUM_RATE:,} calls per minute can be allowed, or 0 for any number"
        raise Invalid("INVALID_RATE", message, field="calls_per_minute")
    return calls_per_minute


def networks(addresses: Sequence[str]) -> list[str]:
    """IP addresses and networks in CIDR notation, each once, sorted. Raises Invalid INVALID_ADDRESS or TOO_MANY."""
    if len(addresses) > MAXIMUM_NETWORKS:
        raise Invalid(
            "TOO_MANY", f"at most {MAXIMUM_NETWORKS} fit", field="allowed_addresses", maximum=MAXIMUM_NETWORKS
        )
    found = set()
    for address in addresses:
        try:
            found.add(str(ip_network(address.strip())))
        except ValueError:
            message = f"{address[:100]!r} is no IP address or network such as 10.1.0.0/16"
            raise Invalid("INVALID_ADDRESS", message, field="allowed_addresses") from None
    return sorted(found)
