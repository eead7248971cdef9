"""What the audit log is told of a record before and after a change."""

from collections.abc import Mapping
from typing import Any


def filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without those that are empty: false and 0 are not."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The part of two snapshots in which they differ. What one of them lacks is None there."""
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return {key: before.get(key) for key in keys}, {key: after.get(key) for key in keys}
