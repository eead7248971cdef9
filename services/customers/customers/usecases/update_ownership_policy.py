"""Change what former owners of customers are due."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Denied, Invalid
from chassis.etags import check_etag
from sqlalchemy import func, select

from customers.model.ownership import OwnershipPolicy
from customers.ownership import policy_row

PERMISSION = "ownership.configure"
POLICY_NAME = "ownershipPolicy"
"""The resource name of the policy, of which there is one."""
LONGEST_DECAY = 730
_PLACES = 6


def update_ownership_policy(session: ServiceSession, changes: Mapping[str, Any], etag: str) -> OwnershipPolicy:
    """Change the policy. Raises Denied SCOPE_TOO_NARROW, Invalid OUT_OF_RANGE or Stale."""
    if not session.caller.scope(PERMISSION).everything:
        raise Denied("SCOPE_TOO_NARROW", f"this needs the permission {PERMISSION} with the scope ALL")
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(POLICY_NAME, 0))))
    policy = policy_row(session, lock=True)
    check_etag(etag, policy.version)
    before = _snapshot(policy)
    for field, value in changes.items():
        setattr(policy, field, value)
    _check(policy)
    if _snapshot(policy) == before:
        return policy
    policy.version += 1
    policy.update_time = session.now
    session.add(policy)
    session.flush()
    audit.record(session, "ownership.configure", POLICY_NAME, before, _snapshot(policy))
    return policy


def _check(policy: OwnershipPolicy) -> None:
    share = policy.former_owner_share
    if not 0 <= share <= 1 or share != round(share, _PLACES):
        message = f"it is a fraction from 0 to 1 with at most {_PLACES} decimal places"
        raise Invalid("OUT_OF_RANGE", message, field="former_owner_share")
    if not 1 <= policy.decay_days <= LONGEST_DECAY:
        raise Invalid("OUT_OF_RANGE", f"it takes from 1 to {LONGEST_DECAY} days", field="decay_days")


def _snapshot(policy: OwnershipPolicy) -> dict[str, Any]:
    share = Decimal(policy.former_owner_share).normalize()
    return {"former_owner_share": format(share, "f"), "decay_days": policy.decay_days}
