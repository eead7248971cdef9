"""Delete a client."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession

from identity import queries
from identity.policy import bump_policy, revoke_tokens


def delete_client(session: ServiceSession, client_key: UUID) -> None:
    """Delete a client and refuse its tokens."""
    session.caller.require_everything("client.delete")
    bump_policy(session)
    client = queries.get_client(session, client_key, lock=True)
    client.ensure_changeable()
    session.delete(client)
    session.flush()
    revoke_tokens(session, [client.name])
    audit.record(session, "client.delete", client.name, client.snapshot(), None)
