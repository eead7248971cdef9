"""Change what former owners of customers are due."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Invalid

from customers.model.ownership import OwnershipPolicy
from customers.ownership import policy_row
from customers.usecases.update_policy import PolicyKind, update_policy

PERMISSION = "ownership.configure"
POLICY_NAME = "ownershipPolicy"
"""The resource name of the policy, of which there is one."""
LONGEST_DECAY = 730
_PLACES = 6


def update_ownership_policy(session: ServiceSession, changes: Mapping[str, Any], etag: str) -> OwnershipPolicy:
    """Change the policy. Raises Denied SCOPE_TOO_NARROW, Invalid OUT_OF_RANGE or Stale."""
    return update_policy(session, _KIND, changes, etag)


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


_KIND = PolicyKind(POLICY_NAME, PERMISSION, "ownership.configure", policy_row, _check, _snapshot)
