"""That nobody widens their own reach by moving departments or people.

Whose records somebody reaches depends on where departments lie. So whoever may change the tree, but reaches only a
part of the records with some permission, must not bring others into that part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chassis.callers import Caller, Scope
from chassis.errors import Denied

_WHOLE = ("client.", "department.", "organisation.", "policy.", "role.")
"""Permissions on what concerns the whole organisation: any scope reads all of it."""


@dataclass(frozen=True)
class Relocation:
    """Where the records of a department's people are reckoned to: its path before a change, and after it."""

    before: str
    after: str


def ensure_reach_stays(caller: Caller, tree: Sequence[Relocation]) -> None:
    """Raise Denied REACH_WOULD_WIDEN if the caller would reach more by a change of the tree.

    `tree` has all departments, also those that stay where they are. What the caller reaches is compared permission by
    permission; one with the scope ALL cannot reach more. Somebody with a narrower one must not bring their own
    department below others either: what is shared with those would be shared with them.
    """
    moved = _relocated(caller, tree)
    for permission, before in _limited(caller):
        after = moved.scope(permission)
        if _above(moved.department_path) - _above(caller.department_path):
            raise _widened(permission)
        for place in tree:
            if after.reaches(None, place.after) and not before.reaches(None, place.before):
                raise _widened(permission)


def ensure_reach_excludes(caller: Caller, user_id: UUID, place: Relocation) -> None:
    """Raise Denied REACH_WOULD_WIDEN if another person's records would come into the caller's reach by a move."""
    if user_id == caller.user_id:
        return
    for permission, scope in _limited(caller):
        if scope.reaches(user_id, place.after) and not scope.reaches(user_id, place.before):
            raise _widened(permission)


def _limited(caller: Caller) -> Iterable[tuple[str, Scope]]:
    """The permissions that do not reach everything, with their scopes."""
    for permission in sorted(caller.grants):
        scope = caller.scope(permission)
        if not scope.everything and not permission.startswith(_WHOLE):
            yield permission, scope


def _relocated(caller: Caller, tree: Iterable[Relocation]) -> Caller:
    """The caller as they will be: their own department and those that their grants name move along."""
    after = {place.before: place.after for place in tree}
    grants = {
        permission: tuple(
            replace(grant, department_paths=tuple(after.get(path, path) for path in grant.department_paths))
            for grant in held
        )
        for permission, held in caller.grants.items()
    }
    return replace(caller, department_path=after.get(caller.department_path, caller.department_path), grants=grants)


def _above(path: str) -> set[str]:
    """The departments above one, and itself, by their ids."""
    return set(path.split("/"))


def _widened(permission: str) -> Denied:
    return Denied(
        "REACH_WOULD_WIDEN",
        f"this would bring records into your reach that you have no access to with {permission}: ask somebody who has "
        "that permission with the scope ALL",
        permission=permission,
    )
