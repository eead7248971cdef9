"""Why somebody may or may not do something with a record: every role, share and bar that bears on it.

A service lists an `Explainer` for each of its collections. The user's roles and place come from identity, asked in
the name of whoever wants to know; each grant is then judged by the very scope that decides on calls.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
class Reason:
    """One thing that speaks for or against an access. See `crm.common.v1.AccessReason`."""

    code: str
    opens: bool = False
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """What of a record decides on who reaches it."""

    shared_id: UUID
    """The record that shares name: itself, or what it hangs on."""
    owner: UUID | None
    department_path: str | None
    author: str = ""
    """Who reaches it whatever their data scope is, where a permission has such a rule."""
    registrant: UUID | None = None
    """Who has brought it in, where that decides for people of partners instead of the owner."""
    hints: Sequence[Reason] = ()
    """What else is worth knowing of it, and opens nothing."""
    members: Collection[str] = ()
    """Who takes part in it, and reaches it whatever their data scope is, where a permission has such a rule."""
    private: bool = False
    """Whether it is for its author, its members and whose work it is alone: roles of others do not reach it."""


Rule = Callable[[ServiceSession, UserAccess, Callable[[str], UserAccess], UUID], Iterable[Reason]]
"""What speaks for and against an access that no data scope decides: given a session, the user's access by the
permission asked for, the way to ask for that by another permission, and the record's id."""


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
    opened_to_members: tuple[str, ...] = ()
    opened_to_partners: tuple[str, ...] = ()
    """The permissions among them whose methods people of partners may call."""
    registered: bool = False
    """Whether people of partners reach what they registered, instead of what they own."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """Permissions that no data scope decides on, each with what decides."""
    further: Callable[[ServiceSession, UUID], Sequence[Place]] = lambda session, record_id: ()
    """The other records by which it is reached: who reaches one of them reaches it as well."""

    def concerns(self, permission: str) -> bool:
        """Whether a permission is about one of the records."""
        entity = f"{permission.partition('.')[0]}.*"
        named = permission in self.permissions or entity in self.permissions or permission in self.rules
        return named and permission not in self.unrelated


@dataclass(frozen=True)
class Explanation:
    """Whether a user may do something with a record, and all that speaks for it or against it."""

    allowed: bool
    reasons: Sequence[Reason]


def explain(
    session: ServiceSession, explainer: Explainer, resource: str, user: str, permission: str, directory: UserDirectory
) -> Explanation:
    """Explain an access to a record. Raises Invalid UNKNOWN_PERMISSION, or NotFound if there is no such record or
    user."""
    record_id = parse_name(explainer.collection, resource, field="resource")
    if not explainer.concerns(permission):
        message = f"{permission[:100]!r} does not concern {explainer.collection}: ask without a record, or for another"
        raise Invalid("UNKNOWN_PERMISSION", message, field="permission")
    place = explainer.find(session, record_id)
    if place is None:
        raise explainer.missing()
    access = directory.access_of(user, permission)
    if rule := explainer.rules.get(permission):
        by_rule = rule(session, access, lambda other: directory.access_of(user, other), record_id)
        opened = permission in explainer.opened_to_partners
        return _concluded(access, opened_to_partners=opened, permission=permission, reasons=by_rule)
    asking = make_name("users", access.user_id)
    further = [one for one in explainer.further(session, record_id) if not one.private or asking in one.members]
    places = [place, *further]
    statement = select(RecordShare).where(
        RecordShare.entity == explainer.reachable.entity,
        RecordShare.record_id.in_([each.shared_id for each in places]),
        RecordShare.grantee.in_(grantees_of(access.caller())),
    )
    shares = session.scalars(statement.order_by(RecordShare.create_time)).all()
    followers = _followers(session, explainer, places)
    return judge(access, explainer, permission, place, shares, session.now, followers, further)


def explain_action(access: UserAccess, permission: str, *, wide: bool, opened_to_partners: bool) -> Explanation:
    """Whether a user may do something at all, and with how much of the data: what the roles grant, whatever the
    record. `wide` says that it concerns the whole company and is refused to who does not reach everything."""
    held = [(role, grant) for role in access.roles for grant in role.grants]
    reasons = [
        Reason(
            "ROLE_GRANTS" if not wide or grant.reach is Reach.ALL else "ROLE_TOO_NARROW",
            opens=not wide or grant.reach is Reach.ALL,
            params=_held(role, grant),
        )
        for role, grant in held
    ]
    return _concluded(access, opened_to_partners=opened_to_partners, permission=permission, reasons=reasons)


def _followers(session: ServiceSession, explainer: Explainer, places: Sequence[Place]) -> list[Place]:
    """Where those are who follow the records besides their owners."""
    followers = explainer.reachable.followers
    if followers is None:
        return []
    rows = session.execute(
        select(followers.record, followers.owner, followers.department_path)
        .where(followers.record.in_([each.shared_id for each in places]), followers.live)
        .order_by(followers.department_path, followers.owner)
    )
    return [Place(*row) for row in rows]


def judge(
    access: UserAccess,
    explainer: Explainer,
    permission: str,
    place: Place,
    shares: Iterable[RecordShare],
    now: datetime,
    followers: Iterable[Place] = (),
    further: Sequence[Place] = (),
) -> Explanation:
    """All that bears on an access; `shares` are those of the record with the user or their departments, `followers`
    where those are who follow it besides its owner, `further` the other records by which it is reached."""
    granted, user = _granted(access), make_name("users", access.user_id)
    reasons: list[Reason] = []
    for each in (place, *further):
        reasons += by_roles(access, permission, each, registered=explainer.registered)
    if explainer.reachable.opened.get(permission):
        reasons += [reason for one in followers for reason in _by_follower(access, permission, one)]
    if access.partner_id is not None:
        reasons.append(Reason("PARTNER_REACHES_OWN", params={"partner": make_name("partners", access.partner_id)}))
    if permission in explainer.opened_to_author and place.author == user:
        reasons.append(Reason("AUTHOR", granted, {"owner": place.author}))
    if permission in explainer.opened_to_members and user in place.members:
        reasons.append(Reason("TAKES_PART", granted))
    reasons += [_by_share(share, explainer.reachable, permission, now, granted=granted) for share in shares]
    opened = permission in explainer.opened_to_partners
    return _concluded(access, opened_to_partners=opened, permission=permission, reasons=[*reasons, *place.hints])


def _concluded(
    access: UserAccess, *, opened_to_partners: bool, permission: str, reasons: Iterable[Reason]
) -> Explanation:
    """What the reasons come to, with what forbids the user everything told first, and nothing told twice."""
    granted, bars, told = _granted(access), [*_bars(access, opened_to_partners=opened_to_partners)], list[Reason]()
    if not granted:
        bars.append(Reason("NO_ROLE_GRANTS", params={"permission": permission}))
    for reason in reasons:
        if reason not in told:
            told.append(reason)
    return Explanation(not bars and any(reason.opens for reason in told), [*bars, *told])


def _granted(access: UserAccess) -> bool:
    return any(role.grants for role in access.roles)


def _bars(access: UserAccess, *, opened_to_partners: bool) -> Iterator[Reason]:
    """What forbids the user everything, or this with any record."""
    if not access.active:
        yield Reason("USER_DEACTIVATED")
    if access.second_factor_missing:
        yield Reason("SECOND_FACTOR_MISSING")
    if access.partner_id is not None and not opened_to_partners:
        yield Reason("EMPLOYEES_ONLY", params={"partner": make_name("partners", access.partner_id)})


def by_roles(access: UserAccess, permission: str, place: Place, *, registered: bool = False) -> Iterator[Reason]:
    """How each grant of a permission reaches a record, or why it does not. `registered` says that people of partners
    reach what they registered."""
    registered = registered and access.partner_id is not None
    owner = place.registrant if registered else place.owner
    if place.private and make_name("users", access.user_id) not in place.members:
        yield Reason("IS_PRIVATE", params={"owner": place.author})
        if owner is not None and owner == access.user_id:
            yield Reason("ITS_PERSON", opens=_granted(access))
        return
    for role in access.roles:
        for grant in role.grants:
            scope = access.caller(Grant(permission, grant.reach, grant.department_paths)).scope(permission)
            params = _held(role, grant)
            if scope.reaches(owner, place.department_path):
                code, department = ("ROLE_REACHES_REGISTERED", "") if registered else _why(access, grant, place)
                yield Reason(code, opens=True, params=params | ({"department": department} if department else {}))
            else:
                whose = {"owner": make_name("users", place.owner), "department": _department(place.department_path)}
                yield Reason("ROLE_DOES_NOT_REACH", params=params | {key: name for key, name in whose.items() if name})


def _held(role: HeldRole, grant: Grant) -> dict[str, str]:
    return {"role": role.name, "role_name": role.display_name, "scope": str(grant.reach)}


def _by_follower(access: UserAccess, permission: str, follower: Place) -> Iterator[Reason]:
    """The grants that reach a record by somebody who follows it."""
    for role in access.roles:
        for grant in role.grants:
            scope = access.caller(Grant(permission, grant.reach, grant.department_paths)).scope(permission)
            if not scope.everything and scope.reaches(follower.owner, follower.department_path):
                department = _department(follower.department_path)
                whose = {"owner": make_name("users", follower.owner), "department": department}
                yield Reason("ROLE_REACHES_FOLLOWER", opens=True, params=_held(role, grant) | whose)


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
