"""Hand in claims that were made without a connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from sqlalchemy import select

from customers.holders import Held
from customers.holding import lock_held
from customers.model import Customer
from customers.model.offline import OfflineClaim, OfflineClaimState
from customers.offline.beacons import claim_time, read_beacon
from customers.pools.access import open_pools
from customers.usecases.claim_customers import check_batch, claimant
from customers.usecases.settle_offline_claims import gone_to_earlier, settle

_MOST_ELAPSED = timedelta(days=365)
_TO_TELL = timedelta(days=1)
"""How long ago a claim may have been made whose customer is in no pool, to tell whether somebody was earlier."""


@dataclass(frozen=True)
class Intent:
    """A claim as a client queued it."""

    id: UUID
    customer_id: UUID
    beacon: str = ""
    elapsed: timedelta = timedelta(0)


def submit_offline_claims(session: ServiceSession, intents: Sequence[Intent]) -> list[OfflineClaim]:
    """Take claims in, and decide those for which nothing need be waited for."""
    check_batch([one.customer_id for one in intents])
    owner = claimant(session)
    known = _known(session, owner.id, intents)
    beacons = {one.id: _beacon(session, owner.id, one) for one in intents if one.id not in known}
    fresh = [one for one in intents if one.id not in known]
    held = {one.id: one for one in lock_held(session, Customer.id.in_([one.customer_id for one in fresh]))}
    pools = open_pools(session, {one.pool_id for one in held.values() if one.pool_id})
    for intent in fresh:
        customer = held.get(intent.customer_id)
        pool = pools.get(customer.pool_id) if customer is not None and customer.pool_id is not None else None
        grace = timedelta(minutes=pool.rules.offline_grace_minutes) if pool is not None else _TO_TELL
        claim = _claim(session, owner.id, intent, beacons[intent.id], grace)
        if pool is None:
            _refuse(session, claim, customer)
        session.add(claim)
        session.flush()
        audit.record(session, "offline_claim.submit", claim.name, None, _told(claim))
        known[intent.id] = claim
    settle(session, [one.customer_id for one in fresh])
    return [known[one.id] for one in intents]


def _known(session: ServiceSession, user_id: UUID, intents: Sequence[Intent]) -> dict[UUID, OfflineClaim]:
    """Those that were handed in before. Raises Invalid if an id comes twice, Conflict if it stands for another."""
    ids = {one.id: one.customer_id for one in intents}
    if len(ids) < len(intents):
        raise Invalid("DUPLICATE_NAMES", "give each claim an id of its own", field="intents")
    found = session.scalars(select(OfflineClaim).where(OfflineClaim.id.in_(ids))).all()
    for one in found:
        if (one.user_id, one.customer_id) != (user_id, ids[one.id]):
            raise Conflict("INTENT_ID_REUSED", "this id stands for another claim: choose a new one", id=str(one.id))
    return {one.id: one for one in found}


def _beacon(session: ServiceSession, user_id: UUID, intent: Intent) -> datetime | None:
    if abs(intent.elapsed) > _MOST_ELAPSED:
        raise Invalid("OUT_OF_RANGE", "no beacon is that old", field="elapsed_milliseconds")
    return read_beacon(session, user_id, intent.beacon) if intent.beacon else None


def _claim(
    session: ServiceSession, user_id: UUID, intent: Intent, beacon: datetime | None, grace: timedelta
) -> OfflineClaim:
    made = claim_time(session.now, beacon, intent.elapsed, grace)
    return OfflineClaim(
        id=intent.id,
        user_id=user_id,
        department_path=session.caller.department_path,
        customer_id=intent.customer_id,
        state=OfflineClaimState.PENDING,
        reason="",
        claim_time=made.time,
        beacon_accepted=made.by_beacon,
        receive_time=session.now,
        decide_time=made.time + grace,
    )


def _refuse(session: ServiceSession, claim: OfflineClaim, customer: Held | None) -> None:
    claim.state, claim.decide_time = OfflineClaimState.REFUSED, session.now
    claim.reason = gone_to_earlier(session, customer, claim.claim_time)


def _told(claim: OfflineClaim) -> dict[str, object]:
    return {
        "customer": f"customers/{claim.customer_id}",
        "claim_time": claim.claim_time.isoformat(),
        "beacon_accepted": claim.beacon_accepted,
        "state": claim.state,
    }
