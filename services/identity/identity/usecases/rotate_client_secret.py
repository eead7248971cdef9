"""Give a client a new secret."""

import secrets
from datetime import timedelta
from uuid import UUID

from chassis import audit
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag

from identity import queries
from identity.grants import ensure_may_give
from identity.locks import hold_tree
from identity.model import Client
from identity.policy import bump_policy, revoke_tokens
from identity.secret_tokens import digest

OVERLAP_HOURS = 24
LONGEST_OVERLAP_HOURS = 720


def rotate_client_secret(
    session: ServiceSession, client_key: UUID, overlap_hours: int, etag: str
) -> tuple[Client, str]:
    """Replace a client's secret. The former one works for some hours more; for 0, the tokens given for it end, too.

    Whoever knows the secret may do what the client may, so it is told to nobody who may do less.
    """
    session.caller.require_everything("client.update")
    if not 0 <= overlap_hours <= LONGEST_OVERLAP_HOURS:
        message = f"the former secret can work for 0 to {LONGEST_OVERLAP_HOURS} hours"
        raise Invalid("INVALID_OVERLAP", message, field="overlap_hours")
    hold_tree(session)
    bump_policy(session)
    client = queries.get_client(session, client_key, lock=True)
    check_etag(etag, client.version)
    client.ensure_changeable()
    paths = queries.paths_of(session, client.grants, field="name")
    ensure_may_give(session.caller, [grant.resolve(paths) for grant in client.grants], None, "")
    secret = secrets.token_urlsafe(32)
    client.former_secret_digest = client.secret_digest if overlap_hours else None
    client.former_secret_expire_time = system_clock() + timedelta(hours=overlap_hours) if overlap_hours else None
    client.secret_digest = digest(secret)
    client.version += 1
    session.flush()
    if not overlap_hours:
        revoke_tokens(session, [client.name])
    audit.record(session, "client.rotate_secret", client.name, None, {"overlap_hours": overlap_hours})
    return client, secret
