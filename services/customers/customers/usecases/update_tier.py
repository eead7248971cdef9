"""Change a tier of customers."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.etags import check_etag
from chassis.snapshots import difference

from customers.model import Tier
from customers.usecases.create_tier import apply, lock_tiers, tier_snapshot


def update_tier(session: ServiceSession, tier_id: UUID, values: Mapping[str, Any], *, etag: str = "") -> Tier:
    """Change a tier. Customers are given other tiers by the next evaluation.

    Raises NotFound, Stale, or as `create_tier` does.
    """
    lock_tiers(session)
    tier = session.get(Tier, tier_id)
    if tier is None:
        raise NotFound("TIER_NOT_FOUND", "there is no such tier", field="tier.name")
    check_etag(etag, tier.version)
    before = tier_snapshot(tier)
    apply(session, tier, values)
    if tier_snapshot(tier) == before:
        return tier
    tier.version += 1
    tier.update_time = session.now
    session.flush()
    old, new = difference(before, tier_snapshot(tier))
    audit.record(session, "tier.update", tier.name, old, new)
    return tier
