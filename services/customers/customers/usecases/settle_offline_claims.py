"""Decide claims that were made without a connection.

A claim made at t may come in until t + grace; whatever comes in later counts as made when it came in. So once the
grace of the earliest claim of a customer is over, no earlier one can come, and it is decided.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from chassis import audit
from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import DomainError
from sqlalchemy import select

from customers.holders import Held
from customers.holding import lock_held
from customers.model import Customer
from customers.model.offline import OfflineClaim, OfflineClaimState
from customers.pools.claiming import Refusal
from customers.pools.quota import quota_of
from customers.usecases.claim_customers import claim_customers

EARLIER = "ALREADY_CLAIMED_EARLIER"
AT_ONCE = 500
"""Customers whose claims are decided in one transaction."""

_PENDING = OfflineClaim.state == OfflineClaimState.PENDING


def settle_due(session: ServiceSession) -> int:
    """Decide the claims that are due, of some customers. Returns of how many."""
    due = (
        select(OfflineClaim.customer_id)
        .where(_PENDING, OfflineClaim.decide_time <= session.now)
        .distinct()
        .limit(AT_ONCE)
    )
    customers = session.scalars(due).all()
    settle(session, customers)
    return len(customers)


def settle(session: ServiceSession, customer_ids: Collection[UUID]) -> None:
    """Decide what is due of the claims of some customers."""
    if not customer_ids:
        return
    order = (OfflineClaim.customer_id, OfflineClaim.claim_time, OfflineClaim.position)
    statement = select(OfflineClaim).where(OfflineClaim.customer_id.in_(customer_ids), _PENDING)
    # People are locked before customers, as in every claim, so that no two wait for each other.
    for user_id in sorted(set(session.scalars(statement.with_only_columns(OfflineClaim.user_id)))):
        quota_of(session, user_id)
    held = {one.id: one for one in lock_held(session, Customer.id.in_(customer_ids))}
    by_customer: dict[UUID, list[OfflineClaim]] = {}
    for claim in session.scalars(statement.order_by(*order).with_for_update()):
        by_customer.setdefault(claim.customer_id, []).append(claim)
    for customer_id, claims in by_customer.items():
        _settle(session, held.get(customer_id), claims)


def _settle(session: ServiceSession, customer: Held | None, claims: Sequence[OfflineClaim]) -> None:
    """Decide the claims of one customer, the earliest first."""
    won = False
    for claim in claims:
        if won:
            _decide(session, claim, EARLIER)
        elif customer is None or customer.pool_id is None:
            _decide(session, claim, gone_to_earlier(session, customer, claim.claim_time))
        elif claim.decide_time > session.now:
            return
        else:
            reason = _try(session, claim)
            _decide(session, claim, reason)
            won = not reason


def _try(session: ServiceSession, claim: OfflineClaim) -> str:
    """Claim in the name of who made the claim, by the rules of a claim online. Returns why not, or nothing."""
    caller = Caller(f"users/{claim.user_id}", claim.user_id, claim.department_path, {})
    with _acting_as(session, caller):
        try:
            [outcome] = claim_customers(session, [claim.customer_id])
        except DomainError as error:
            return error.reason
    return str(outcome.refusal or "")


def _decide(session: ServiceSession, claim: OfflineClaim, reason: str) -> None:
    claim.state = OfflineClaimState.REFUSED if reason else OfflineClaimState.WON
    claim.reason, claim.decide_time = reason, session.now
    session.flush()
    after = {"state": claim.state, "reason": reason, "claim_time": claim.claim_time.isoformat()}
    audit.record(session, "offline_claim.decide", claim.name, {"state": OfflineClaimState.PENDING}, after)


def gone_to_earlier(session: ServiceSession, customer: Held | None, made: datetime) -> str:
    """Why a claim fails whose customer is in no pool: somebody was earlier, or got it in another way since."""
    if customer is None or customer.owner_id is None:
        return str(Refusal.NOT_IN_POOL)
    won = select(OfflineClaim.id).where(
        OfflineClaim.customer_id == customer.id,
        OfflineClaim.user_id == customer.owner_id,
        OfflineClaim.state == OfflineClaimState.WON,
        OfflineClaim.claim_time <= made,
    )
    earlier = customer.since <= made or session.scalar(won.limit(1)) is not None
    return EARLIER if earlier else str(Refusal.NOT_IN_POOL)


@contextmanager
def _acting_as(session: ServiceSession, caller: Caller) -> Iterator[None]:
    before = session.caller
    session.caller = caller
    try:
        yield
    finally:
        session.caller = before
