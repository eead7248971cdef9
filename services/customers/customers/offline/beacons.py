"""Time that a client can prove to have got from the server."""

import base64
import binascii
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from chassis.db import ServiceSession
from chassis.encryption import Place, SealBroken, Sealed
from chassis.errors import Invalid

SKEW = timedelta(seconds=5)
"""How much faster than the server's a device's clock may run between a beacon and a claim."""


def make_beacon(session: ServiceSession, user_id: UUID) -> str:
    """The time now, sealed for a user."""
    sealed = session.data_keys.seal(session.now.isoformat(), _place(user_id))
    return base64.urlsafe_b64encode(sealed.data).decode()


def read_beacon(session: ServiceSession, user_id: UUID, beacon: str) -> datetime:
    """The time that a beacon holds. Raises Invalid INVALID_BEACON if it was not made here for this user."""
    try:
        data = base64.b64decode(beacon.encode(), altchars=b"-_", validate=True)
        return datetime.fromisoformat(session.data_keys.open(Sealed(data), _place(user_id)))
    except (binascii.Error, UnicodeError, SealBroken):
        raise Invalid(
            "INVALID_BEACON", "this is no beacon of yours; leave it out, or fetch a new one", field="beacon"
        ) from None


class ClaimTime(NamedTuple):
    """When a claim counts as made."""

    time: datetime
    by_beacon: bool


def claim_time(now: datetime, beacon: datetime | None, elapsed: timedelta, grace: timedelta) -> ClaimTime:
    """When a claim that is received now counts as made.

    That is the beacon's time and what has passed since, unless that lies before the beacon, in the future or longer
    ago than the grace; then it is now.
    """
    if beacon is None:
        return ClaimTime(now, by_beacon=False)
    stated = beacon + elapsed
    if elapsed < timedelta(0) or stated > now + SKEW or stated < now - grace:
        return ClaimTime(now, by_beacon=False)
    return ClaimTime(min(stated, now), by_beacon=True)


def _place(user_id: UUID) -> Place:
    return Place("offline_claim", "beacon", user_id)
