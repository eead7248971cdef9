"""Offline claims as messages. Pure."""

from datetime import timedelta
from typing import Any

from chassis.names import parse_name
from crm.customers.v1 import offline_service_pb2 as pb

from customers.model.offline import OfflineClaim
from customers.pools.claiming import MESSAGES
from customers.usecases.settle_offline_claims import EARLIER
from customers.usecases.submit_offline_claims import Intent

_WORDS = {
    **{str(refusal): text for refusal, text in MESSAGES.items()},
    EARLIER: "somebody claimed the customer earlier",
}
_OTHERWISE = "the claimant cannot be given customers"


def intent_from_proto(intent: pb.OfflineClaimIntent) -> Intent:
    """A claim as a client queued it."""
    return Intent(
        id=parse_name("offlineClaims", f"offlineClaims/{intent.id}", field="intents.id"),
        customer_id=parse_name("customers", intent.customer, field="intents.customer"),
        beacon=intent.beacon,
        elapsed=timedelta(milliseconds=max(-(10**13), min(intent.elapsed_milliseconds, 10**13))),
    )


def claim_to_proto(claim: OfflineClaim) -> pb.OfflineClaim:
    """How a claim stands."""
    times: Any = claim
    return pb.OfflineClaim(
        name=claim.name,
        customer=f"customers/{claim.customer_id}",
        state=pb.OfflineClaimState.Value(f"OFFLINE_CLAIM_STATE_{claim.state}"),
        reason=claim.reason,
        message=_WORDS.get(claim.reason, _OTHERWISE) if claim.reason else "",
        claim_time=times.claim_time,
        beacon_accepted=claim.beacon_accepted,
        receive_time=times.receive_time,
        decide_time=times.decide_time,
    )
