"""Create a client."""

import re
import secrets
from collections.abc import Set
from dataclasses import dataclass

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import new_id

from identity import queries
from identity.field_rules import ensure_may_show
from identity.grants import RoleGrant, check_grants, ensure_may_give, require_everything
from identity.locks import hold_tree
from identity.model import Client, label
from identity.policy import bump_policy
from identity.secret_tokens import digest
from identity.uniqueness import flush_unique

SERVICE_PREFIX = "svc-"
_CLIENT_ID = re.compile(r"[a-z][a-z0-9._-]{1,63}")


@dataclass(frozen=True)
class ClientDraft:
    """What callers say of a client."""

    client_id: str
    display_name: str
    grants: tuple[RoleGrant, ...]
    disabled: bool = False


def create_client(session: ServiceSession, draft: ClientDraft, known_permissions: Set[str]) -> tuple[Client, str]:
    """Add a machine that may do no more than the caller. Returns it with its secret, which is not kept."""
    require_everything(session.caller, "client.create")
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
        builtin=builtin,
        version=1,
        create_time=session.now,
    )
    session.add(client)
    flush_unique(session)
    audit.record(session, "client.create", client.name, None, client.snapshot())
    return client
