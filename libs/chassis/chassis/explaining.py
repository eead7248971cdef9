"""Why somebody may or may not do something with a record: every role, share and bar that bears on it.

A service lists an `Explainer` for each of its collections. The user's roles and place come from identity, asked in
the name of whoever wants to know; each grant is then judged by the very scope that decides on calls.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import select

from chassis.callers import Caller, Grant, Reach
from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.names import make_name, parse_name
from chassis.sharing import Reachable, RecordShare, grantees_of


@dataclass(frozen=True)
class HeldRole:
    """A role that a user holds, with the grants that cover a permission."""

    name: str
    display_name: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class UserAccess:
    """What decides on a user's calls that need one permission."""

    user_id: UUID
    active: bool
    department_path: str
    roles: tuple[HeldRole, ...]
    partner_id: UUID | None = None
    second_factor_missing: bool = False

    def caller(self, *grants: Grant) -> Caller:
        """The user as a call of theirs is judged by, with some grants."""
        by_permission = {grant.permission: grants for grant in grants}  # all of one permission
        name = make_name("users", self.user_id)
        return Caller(name, self.user_id, self.department_path, by_permission, partner_id=self.partner_id)


class UserDirectory(Protocol):
    """Who knows what decides on users' calls."""

    def access_of(self, user: str, permission: str) -> UserAccess:
        """What decides on a user's calls that need a permission. Raises what the directory refuses."""
        ...


@dataclass(frozen=True)
class Place:
    """What of a record decides on who reaches it."""

    shared_id: UUID
    """The record that shares name: itself, or what it hangs on."""
    owner: UUID | None
    department_path: str | None
    author: str = ""
    """Who reaches it whatever their data scope is, where a permission has such a rule."""


@dataclass(frozen=True)
class Explainer:
    """How the access to the records of one collection is explained."""

    collection: str
    reachable: Reachable
    permissions: tuple[str, ...]
    """The permissions that concern one record; `entity.*` stands for all of an entity."""
    find: Callable[[ServiceSession, UUID], Place | None]
    missing: Callable[[], NotFound]
    unrelated: tuple[str, ...] = ()
    """Permissions among them that concern no existing record."""
    opened_to_author: tuple[str, ...] = ()

    def concerns(self, permission: str) -> bool:
        """Whether a permission is about one of the records."""
        entity = f"{permission.partition('.')[0]}.*"
        return permission not in self.unrelated and (permission in self.permissions or entity in self.permissions)


@dataclass(frozen=True)
class Reason:
    """One thing that speaks for or against an access. See `crm.common.v1.AccessReason`."""

    code: str
    opens: bool = False
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """Whether a user may do something with a record, and all that speaks for it or against it."""

    allowed: bool
    reasons: Sequence[Reason]


def explain(
    session: ServiceSession, explainer: Explainer, resource: str, user: str, permission: str, directory: UserDirectory
) -> Explanation:
    """Explain an access. Raises Invalid UNKNOWN_PERMISSION, or NotFound if there is no such record or user."""
    record_id = parse_name(explainer.collection, resource, field="resource")
    if not explainer.concerns(permission):
        message = f"{permission[:100]!r} does not concern {explainer.collection}"
        raise Invalid("UNKNOWN_PERMISSION", message, field="permission")
    place = explainer.find(session, record_id)
    if place is None:
        raise explainer.missing()
    access = directory.access_of(user, permission)
    grantees = grantees_of(access.caller())
    statement = select(RecordShare).where(
        RecordShare.entity == explainer.reachable.entity,
        RecordShare.record_id == place.shared_id,
        RecordShare.grantee.in_(grantees),
    )
    shares = session.scalars(statement.order_by(RecordShare.create_time)).all()
    return judge(access, explainer, permission, place, shares, session.now)


def judge(
    access: UserAccess,
    explainer: Explainer,
    permission: str,
    place: Place,
    shares: Iterable[RecordShare],
    now: datetime,
) -> Explanation:
    """All that bears on an access; `shares` are those of the record with the user or their departments."""
    granted = any(role.grants for role in access.roles)
    bars = [*_bars(access)]
    reasons = [*bars, *_by_roles(access, permission, place)]
    if not granted:
        reasons.append(Reason("NO_ROLE_GRANTS", params={"permission": permission}))
    if access.partner_id is not None:
        reasons.append(Reason("PARTNER_REACHES_OWN", params={"partner": make_name("partners", access.partner_id)}))
    if permission in explainer.opened_to_author and place.author == make_name("users", access.user_id):
        reasons.append(Reason("AUTHOR", granted, {"owner": place.author}))
    reasons += [_by_share(share, explainer.reachable, permission, now, granted=granted) for share in shares]
    return Explanation(granted and not bars and any(reason.opens for reason in reasons), reasons)


def _bars(access: UserAccess) -> Iterator[Reason]:
    """What forbids the user everything."""
    if not access.active:
        yield Reason("USER_DEACTIVATED")
    if access.second_factor_missing:
        yield Reason("SECOND_FACTOR_MISSING")


def _by_roles(access: UserAccess, permission: str, place: Place) -> Iterator[Reason]:
    for role in access.roles:
        for grant in role.grants:
            scope = access.caller(Grant(permission, grant.reach, grant.department_paths)).scope(permission)
            params = {"role": role.name, "role_name": role.display_name, "scope": str(grant.reach)}
            if scope.reaches(place.owner, place.department_path):
                code, department = _why(access, grant, place)
                yield Reason(code, opens=True, params=params | ({"department": department} if department else {}))
            else:
                whose = {"owner": make_name("users", place.owner), "department": _department(place.department_path)}
                yield Reason("ROLE_DOES_NOT_REACH", params=params | {key: name for key, name in whose.items() if name})


def _why(access: UserAccess, grant: Grant, place: Place) -> tuple[str, str]:
    """By what a grant reaches a record that it reaches, and the department that it does so by."""
    if place.owner is not None and place.owner == access.user_id:
        return "ROLE_REACHES_OWN", ""
    if grant.reach is Reach.ALL:
        return "ROLE_REACHES_ALL", ""
    if grant.reach is Reach.CUSTOM:
        path = place.department_path or ""
        return "ROLE_REACHES_NAMED", _department(next(top for top in grant.department_paths if path.startswith(top)))
    code = "ROLE_REACHES_DEPARTMENT" if grant.reach is Reach.DEPARTMENT else "ROLE_REACHES_TREE"
    return code, _department(access.department_path)


def _by_share(share: RecordShare, reachable: Reachable, permission: str, now: datetime, *, granted: bool) -> Reason:
    kind = "user" if share.grantee.startswith("users/") else "department"
    params = {kind: share.grantee, "share_level": share.level, "giver": share.creator}
    if share.expire_time is not None:
        params["expire_time"] = share.expire_time.isoformat()
    if share.revoke_time is not None:
        return Reason("SHARE_TAKEN_BACK", params=params)
    if not share.live(now):
        return Reason("SHARE_EXPIRED", params=params)
    levels = reachable.opened.get(permission, ())
    if share.level not in levels:
        return Reason("SHARE_OPENS_LESS" if levels else "SHARE_NEVER_OPENS", params=params)
    return Reason(f"SHARED_WITH_{kind.upper()}", granted, params)


def _department(path: str | None) -> str:
    """The department that a path leads to: its last part."""
    return f"departments/{path.rstrip('/').rpartition('/')[2]}" if path else ""
