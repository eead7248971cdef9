"""How far a device has followed the changes."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from chassis.db import ServiceSession
from chassis.errors import Invalid


@dataclass(frozen=True)
class Mark:
    """A place in the changes up to which a device knows all."""

    view: str
    """Of what the caller may see, and of the database: if either is another, the device begins anew."""
    time: datetime
    """Up to when it knows which shares have ended by themselves."""
    issue_time: datetime
    """By the database's clock."""
    since: str
    """The snapshot of the database (`pg_snapshot`) that it knows all of."""
    until: str = ""
    """The one that it is being told up to; empty if it was told of all."""
    transaction: int = 0
    position: int = 0
    """The last change between the two that it was told of: its transaction, and its place among the changes."""
    walk: str = ""
    """The collection that it is being told of from the beginning; empty once it was told of all."""
    last: UUID | None = None
    """The last record of that collection that it was told of."""


def encode(mark: Mark) -> str:
    """The mark as an opaque token."""
    packed = [
        mark.view,
        mark.time.isoformat(),
        mark.issue_time.isoformat(),
        mark.since,
        mark.until,
        mark.transaction,
        mark.position,
        mark.walk,
        str(mark.last or ""),
    ]
    return base64.urlsafe_b64encode(orjson.dumps(packed)).decode().rstrip("=")


def decode(token: str) -> Mark:
    """The mark in a token. Raises Invalid INVALID_SYNC_TOKEN."""
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        view, time, issued, since, until, transaction, position, walk, last = parts
        texts = all(isinstance(each, str) for each in (view, since, until, walk))
        if not texts or not all(type(each) is int and 0 <= each < 2**63 for each in (transaction, position)):
            raise bad_token()
        times = datetime.fromisoformat(time), datetime.fromisoformat(issued)
        if any(each.tzinfo is None for each in times):
            raise bad_token()
        return Mark(view, *times, since, until, transaction, position, walk, UUID(last) if last else None)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        raise bad_token() from None


def view_of(session: ServiceSession, collections: tuple[str, ...], permissions: tuple[str, ...], database: int) -> str:
    """A short text that differs if what the caller may see of some collections differs, or the database."""
    caller = session.caller
    told = [
        str(database),
        ",".join(collections),
        caller.subject,
        caller.department_path,
        *(f"{key}:{sorted(map(repr, caller.granted(key)))}" for key in permissions),
        repr(sorted((entity, sorted(map(repr, rules.items()))) for entity, rules in caller.field_rules.items())),
    ]
    return hashlib.blake2b("\n".join(told).encode(), digest_size=9).hexdigest()


def bad_token() -> Invalid:
    """The refusal of what was issued to nobody."""
    message = "this is no token of yours; leave it out to begin anew"
    return Invalid("INVALID_SYNC_TOKEN", message, field="since")
