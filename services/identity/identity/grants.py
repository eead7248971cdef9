"""Grants as roles and clients hold them, and who may give them to whom."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.callers import Caller, Grant, Reach, Scope
from chassis.errors import Denied, Invalid

EVERY_PERMISSION = "*"
RELATIVE = frozenset({Reach.SELF, Reach.DEPARTMENT, Reach.DEPARTMENT_TREE})
MAXIMUM_DEPARTMENTS = 100

_ANYONE = UUID(int=0)


@dataclass(frozen=True)
class RoleGrant:
    """One permission and the data it reaches; departments are named by id."""

    permission: str
    reach: Reach
    departments: tuple[UUID, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form it is stored in."""
        stored: dict[str, Any] = {"permission": self.permission, "reach": self.reach.value}
        return stored | ({"departments": [str(key) for key in self.departments]} if self.departments else {})

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> "RoleGrant":
        """From the form it is stored in."""
        departments = tuple(UUID(key) for key in stored.get("departments", ()))
        return RoleGrant(stored["permission"], Reach(stored["reach"]), departments)

    def resolve(self, paths: Mapping[UUID, str]) -> Grant:
        """The grant with department paths, as services apply it."""
        return Grant(self.permission, self.reach, tuple(paths[key] for key in self.departments))


def check_grants(
    grants: Sequence[RoleGrant], known_permissions: Set[str], *, field: str, machine: bool = False
) -> None:
    """Raise Invalid unless every grant makes sense by itself and no permission is granted twice."""
    seen: set[str] = set()
    for index, grant in enumerate(grants):
        at = f"{field}[{index}]"
        if grant.permission != EVERY_PERMISSION and grant.permission not in known_permissions:
            raise Invalid(
                "UNKNOWN_PERMISSION", f"no method asks for {grant.permission[:100]!r}", field=f"{at}.permission"
            )
        if grant.permission in seen:
            raise Invalid("DUPLICATE_GRANT", f"{grant.permission} is granted twice", field=f"{at}.permission")
        seen.add(grant.permission)
        _check_reach(grant, at, machine=machine)


def _check_reach(grant: RoleGrant, at: str, *, machine: bool) -> None:
    if machine and grant.reach in RELATIVE:
        raise Invalid("INVALID_SCOPE", "a machine owns nothing and has no department", field=f"{at}.scope")
    if grant.reach is not Reach.CUSTOM and grant.departments:
        raise Invalid("INVALID_SCOPE", "only a custom scope names departments", field=f"{at}.departments")
    if grant.reach is Reach.CUSTOM and not 1 <= len(grant.departments) <= MAXIMUM_DEPARTMENTS:
        raise Invalid(
            "INVALID_SCOPE", f"a custom scope names 1 to {MAXIMUM_DEPARTMENTS} departments", field=f"{at}.departments"
        )
    if len(set(grant.departments)) < len(grant.departments):
        raise Invalid("INVALID_SCOPE", "a department is named twice", field=f"{at}.departments")


def named_departments(grants: Iterable[RoleGrant]) -> set[UUID]:
    """The departments that custom scopes name."""
    return {key for grant in grants for key in grant.departments}


def ensure_may_define(caller: Caller, grants: Iterable[Grant]) -> None:
    """Raise Denied if somebody in the caller's own place would get more by the grants than the caller has."""
    # A machine has no place of its own: somebody in a department that no grant of the machine can name stands in.
    place = caller.department_path or "/"
    ensure_may_give(caller, grants, caller.user_id or _ANYONE, place)


def ensure_may_give(caller: Caller, grants: Iterable[Grant], user_id: UUID | None, department_path: str) -> None:
    """Raise Denied if a user in this department would get more by the grants than the caller has."""
    for grant in grants:
        held = caller.granted(grant.permission)
        holder = Caller("", user_id, department_path, {grant.permission: (grant,)})
        given = holder.scope(grant.permission)
        if not held or not _covers(caller.scope(grant.permission), given, department_path):
            raise Denied(
                "PRIVILEGE_ESCALATION",
                f"nobody can give more than they hold: {grant.permission} with this scope",
                permission=grant.permission,
            )


def _covers(mine: Scope, theirs: Scope, home: str) -> bool:
    """Whether one scope holds all of another one, whose owner belongs to the department `home`."""

    def inside(path: str) -> bool:
        return any(path.startswith(tree) for tree in mine.trees)

    if mine.everything or theirs.everything:
        return mine.everything
    own = theirs.owner is None or theirs.owner == mine.owner or home in mine.departments or inside(home)
    exact = all(path in mine.departments or inside(path) for path in theirs.departments)
    return own and exact and all(inside(tree) for tree in theirs.trees)
