"""Three-way merges of records, field by field: what somebody changed on an older version meets what others made of it.

A field may be set if it still holds the value that it had in that version, and need not be if it holds the new one
already; anything else is a conflict, which only people can resolve.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Merged:
    """What becomes of the fields that were changed on an older version."""

    settled: Mapping[str, Any]
    """The values to set, by field; those that the record holds already are left out."""
    conflicts: tuple[str, ...]
    """The fields that others have changed to other values since, in the order of their names."""


def differ(theirs: Any, base: Any, yours: Any) -> bool:
    """Whether both sides have changed a value, and to different ones."""
    return bool(theirs != base and theirs != yours)


def merge(theirs: Mapping[str, Any], base: Mapping[str, Any], yours: Mapping[str, Any]) -> Merged:
    """Merge changed fields into a record as it is now. All three hold values in their stored form, by field."""
    conflicts = sorted(key for key, value in yours.items() if differ(theirs[key], base[key], value))
    settled = {key: value for key, value in yours.items() if key not in conflicts and theirs[key] != value}
    return Merged(settled, tuple(conflicts))
