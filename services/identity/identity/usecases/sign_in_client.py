"""Sign a machine in by client credentials."""

from chassis import audit
from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import Unauthenticated
from sqlalchemy import select

from identity.model import Client
from identity.secret_tokens import digest, matches

_NOBODY = digest("")


def sign_in_client(session: ServiceSession, client_id: str, secret: str) -> Client:
    """The client whose secret it is, kept from being deleted while a token is given out. Raises Unauthenticated.

    There is no limit of attempts: the secret cannot be guessed, and a limit would let anybody lock a service out.
    """
    found = select(Client).where(Client.client_id == client_id).with_for_update(read=True)
    client = session.scalars(found).one_or_none()
    proven = matches(client.secret_digest if client else _NOBODY, secret)
    if client is None or client.disabled or not proven:
        raise Unauthenticated("BAD_CREDENTIALS", "the client id or the secret is wrong")
    session.caller = Caller(subject=client.name)  # from here on it is known who acts
    audit.record(session, "client.issue_token", client.name, None, None)
    return client
