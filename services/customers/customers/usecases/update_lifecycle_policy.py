"""Change by what the stage of a customer's life with the organisation is told."""

from collections.abc import Mapping
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Invalid

from customers.model import LifecyclePolicy
from customers.tiers.stages import policy_row
from customers.usecases.create_tier import PERMISSION
from customers.usecases.update_policy import PolicyKind, update_policy

POLICY_NAME = "lifecyclePolicy"
"""The resource name of the policy, of which there is one."""
FIELDS = ("new_days", "active_days", "dormant_days", "won_back_days", "prospect_days", "follow_ups_count")
_LEAST = {"new_days": 0, "active_days": 1, "dormant_days": 1, "won_back_days": 0, "prospect_days": 0}
_MOST_DAYS = 3660


def update_lifecycle_policy(session: ServiceSession, changes: Mapping[str, Any], etag: str) -> LifecyclePolicy:
    """Change the policy. Raises Denied SCOPE_TOO_NARROW, Invalid OUT_OF_RANGE or Stale."""
    return update_policy(session, _KIND, changes, etag)


def _check(policy: LifecyclePolicy) -> None:
    for field, least in _LEAST.items():
        if not least <= getattr(policy, field) <= _MOST_DAYS:
            message = f"it must be from {least} to {_MOST_DAYS:,} days"
            raise Invalid("OUT_OF_RANGE", message, field=f"policy.{field}")
    if policy.dormant_days < policy.active_days:
        message = f"it must not be less than active_days, {policy.active_days}"
        raise Invalid("OUT_OF_RANGE", message, field="policy.dormant_days")


def _snapshot(policy: LifecyclePolicy) -> dict[str, Any]:
    return {field: getattr(policy, field) for field in FIELDS}


_KIND = PolicyKind(POLICY_NAME, PERMISSION, "lifecycle.configure", policy_row, _check, _snapshot)
