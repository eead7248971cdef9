"""Sign a machine in by client credentials."""

from datetime import timedelta

from chassis import audit
from chassis.callers import Caller
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Denied, Unauthenticated
from chassis.origins import current_origin
from sqlalchemy import func, select, update

from identity.attempts import Brake, count_attempt
from identity.model import Client
from identity.secret_tokens import digest, matches

FAILURES = Brake("client", per_name_and_address=20, per_name=1_000, per_address=50)
USE_PRECISION = timedelta(minutes=1)
"""How often the last use is noted at most."""

_NOBODY = digest("")


def sign_in_client(session: ServiceSession, client_id: str, secret: str) -> Client:
    """The client whose secret it is, kept from being deleted while a token is given out.

    Raises Unauthenticated, and Denied ADDRESS_NOT_ALLOWED from where it may not sign in.
    """
    found = select(Client).where(Client.client_id == client_id).with_for_update(read=True)
    client = session.scalars(found).one_or_none()
    if not _proven(client, secret) or client is None or client.disabled:
        raise Unauthenticated("BAD_CREDENTIALS", "the client id or the secret is wrong")
    address = current_origin().address
    if not client.admits(address):
        message = "this client may not sign in from here; have its allowed addresses changed"
        raise Denied("ADDRESS_NOT_ALLOWED", message, address=address)
    session.caller = Caller(subject=client.name)  # from here on it is known who acts
    audit.record(session, "client.issue_token", client.name, None, None)
    return client


def refuse(session: ServiceSession, client_id: str) -> None:
    """Count a failure. Raises Exhausted after too many.

    Who has the right secret is let in all the same: it cannot be guessed, and nobody shall lock a service out.
    """
    count_attempt(session, FAILURES, f"clients/{client_id}")


def note_use(session: ServiceSession, client: Client) -> None:
    """Note when and from where a client signs in, at most once a minute; that is no change of the client.

    Others who sign in at the same time hold the row as well, so it is left alone if that would mean to wait.
    """
    now, address = system_clock(), current_origin().address
    if client.last_use_time is not None and now - client.last_use_time < USE_PRECISION:
        return
    free = select(Client.id).where(Client.id == client.id).with_for_update(skip_locked=True)
    session.execute(
        update(Client)
        .where(Client.id.in_(free))
        .values(last_use_time=func.greatest(Client.last_use_time, now), last_address=address or None)
        .execution_options(synchronize_session=False)
    )


def _proven(client: Client | None, secret: str) -> bool:
    present = matches(client.secret_digest if client else _NOBODY, secret)
    former, expires = (client.former_secret_digest, client.former_secret_expire_time) if client else (None, None)
    works = former is not None and expires is not None and expires > system_clock()
    return present or (works and matches(former or _NOBODY, secret))
