"""What a caller may do in the end, permission by permission."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.callers import Caller, Reach

_WIDTH = (Reach.ALL, Reach.DEPARTMENT_TREE, Reach.DEPARTMENT, Reach.SELF, Reach.CUSTOM)
"""The order in which reaches are told; ALL holds all others."""


@dataclass(frozen=True)
class EffectivePermission:
    """A permission and the records that it reaches, over all roles of the caller."""

    permission: str
    reaches: Sequence[Reach]
    departments: Sequence[UUID]
    """For CUSTOM: each with those below it."""


def effective_permissions(caller: Caller, known: Iterable[str]) -> list[EffectivePermission]:
    """What the caller holds of the known permissions, in their order."""
    if caller.partner_id is not None:  # whom no role lets reach further
        return [
            EffectivePermission(permission, (Reach.SELF,), ()) for permission in known if caller.granted(permission)
        ]
    found = []
    for permission in known:
        grants = caller.granted(permission)
        reaches = {grant.reach for grant in grants}
        if Reach.ALL in reaches:
            found.append(EffectivePermission(permission, (Reach.ALL,), ()))
        elif reaches:
            paths = {path for grant in grants if grant.reach is Reach.CUSTOM for path in grant.department_paths}
            departments = [UUID(path.rstrip("/").rpartition("/")[2]) for path in sorted(paths)]
            told = tuple(reach for reach in _WIDTH if reach in reaches)
            found.append(EffectivePermission(permission, told, departments))
    return found
