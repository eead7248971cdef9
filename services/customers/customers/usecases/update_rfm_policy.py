"""Change what is analysed every night, and how long analyses are kept."""

from collections.abc import Mapping
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Invalid

from customers.model.purchases import RfmPolicy
from customers.purchases.policy import policy_row
from customers.purchases.rfm import MAX_PERIOD_DAYS
from customers.usecases.update_policy import PolicyKind, update_policy

PERMISSION = "rfm.run"
POLICY_NAME = "rfmPolicy"
"""The resource name of the policy, of which there is one."""
COLUMNS = ("nightly", "period_days", "base", "method", "gross", "keep_days", "keep_months")
_BOUNDS = {
    "period_days": ("parameters.period_days", 1, MAX_PERIOD_DAYS),
    "keep_days": ("keep_days", 1, 3660),
    "keep_months": ("keep_months", 0, 120),
}


def update_rfm_policy(session: ServiceSession, changes: Mapping[str, Any], etag: str) -> RfmPolicy:
    """Change the policy, by column. Raises Denied SCOPE_TOO_NARROW, Invalid OUT_OF_RANGE or Stale."""
    return update_policy(session, _KIND, changes, etag)


def _check(policy: RfmPolicy) -> None:
    for column, (field, least, most) in _BOUNDS.items():
        if not least <= getattr(policy, column) <= most:
            raise Invalid("OUT_OF_RANGE", f"it must be from {least:,} to {most:,}", field=f"policy.{field}")


def _snapshot(policy: RfmPolicy) -> dict[str, Any]:
    return {column: getattr(policy, column) for column in COLUMNS}


_KIND = PolicyKind(POLICY_NAME, PERMISSION, "rfm.configure", policy_row, _check, _snapshot)
