"""Who may do what when nobody calls: the rights that a user has now, from what identity tells of users and roles."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from chassis.callers import Caller, Grant, Reach
from chassis.db import ServiceSession
from chassis.errors import Denied
from chassis.field_rules import FieldEffect, may_read
from chassis.names import make_name, parse_name
from chassis.policy import PolicySnapshot
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from leads.model import KnownDepartment, KnownHolder, KnownRole, KnownUser

MAX_TOLD = 20
"""How many of those who look after rules are told of one that was suspended."""


def learn_holder(session: ServiceSession, user_id: UUID, version: int, roles: Sequence[str]) -> None:
    """Note the roles that a user holds. An older version changes nothing."""
    _keep(session, KnownHolder, {"id": user_id, "version": version, "roles": sorted(roles)})


def learn_role(
    session: ServiceSession,
    role_id: UUID,
    version: int,
    grants: Sequence[dict[str, Any]] = (),
    field_rules: Sequence[dict[str, Any]] = (),
    *,
    deleted: bool = False,
) -> None:
    """Note what a role grants, or that it is gone. An older version changes nothing."""
    values = {"grants": list(grants), "field_rules": list(field_rules), "deleted": deleted}
    _keep(session, KnownRole, {"id": role_id, "version": version + deleted, **values})


def caller_of(session: ServiceSession, user_id: UUID) -> Caller:
    """A user with the rights that they have now.

    Raises Denied AUTHOR_LEFT if they may not sign in or are no employee, and if nothing is known of them.
    """
    return callers_of(session, [user_id]).get(user_id) or _left()


def callers_of(session: ServiceSession, user_ids: Collection[UUID]) -> dict[UUID, Caller]:
    """Some users with the rights that they have now; without those who may not sign in or are no employees."""
    users = session.execute(
        select(KnownUser.id, KnownUser.department_path, KnownHolder.roles)
        .join(KnownHolder, KnownHolder.id == KnownUser.id)
        .where(KnownUser.id.in_(user_ids), KnownUser.active, KnownUser.partner_id.is_(None))
    ).all()
    policy = _policy(session, {role for user in users for role in user.roles})
    return {
        user.id: Caller(
            subject=make_name("users", user.id),
            user_id=user.id,
            department_path=user.department_path or "",
            grants=policy.grants_of(make_name("users", user.id), user.roles),
            field_rules=policy.field_rules_of(user.roles),
        )
        for user in users
    }


def who_reads(session: ServiceSession, user_ids: Collection[UUID], entity: str, field: str) -> set[UUID]:
    """Those of some users, people of partners included, whose roles let them read a field as it is. Without those of
    whose roles nothing is known."""
    holders = session.execute(select(KnownHolder.id, KnownHolder.roles).where(KnownHolder.id.in_(user_ids))).all()
    policy = _policy(session, {role for holder in holders for role in holder.roles})
    readers = (
        (holder.id, Caller(make_name("users", holder.id), field_rules=policy.field_rules_of(holder.roles)))
        for holder in holders
    )
    return {key for key, reader in readers if may_read(reader, entity, field)}


@contextmanager
def acting(session: ServiceSession, caller: Caller) -> Iterator[None]:
    """Let the session work on somebody's behalf as long as the context lasts."""
    before, session.caller = session.caller, caller
    try:
        yield
    finally:
        session.caller = before


def holders_of(session: ServiceSession, permission: str) -> Sequence[UUID]:
    """Some of the employees who hold a permission, in a stable order."""
    roles = session.scalars(select(KnownRole).where(KnownRole.deleted.is_(False)))
    granting = [
        make_name("roles", role.id)
        for role in roles
        if any(grant["permission"] in (permission, "*") for grant in role.grants)
    ]
    return session.scalars(
        select(KnownHolder.id)
        .join(KnownUser, KnownUser.id == KnownHolder.id)
        .where(KnownHolder.roles.overlap(granting), KnownUser.active, KnownUser.partner_id.is_(None))
        .order_by(KnownHolder.id)
        .limit(MAX_TOLD)
    ).all()


def _policy(session: ServiceSession, names: Collection[str]) -> PolicySnapshot:
    ids = [parse_name("roles", name) for name in sorted(names)]
    roles = session.scalars(select(KnownRole).where(KnownRole.id.in_(ids), KnownRole.deleted.is_(False))).all()
    departments = {key for role in roles for grant in role.grants for key in grant["departments"]}
    paths = {
        str(row.id): row.path
        for row in session.execute(
            select(KnownDepartment.id, KnownDepartment.path).where(KnownDepartment.id.in_(map(UUID, departments)))
        )
    }
    return PolicySnapshot(
        version=0,
        roles={make_name("roles", role.id): tuple(_grant(grant, paths) for grant in role.grants) for role in roles},
        field_rules={make_name("roles", role.id): _rules(role.field_rules) for role in roles if role.field_rules},
    )


def _grant(grant: dict[str, Any], paths: dict[str, str]) -> Grant:
    known = tuple(sorted(paths[key] for key in grant["departments"] if key in paths))
    return Grant(grant["permission"], Reach(grant["reach"]), known)


def _rules(told: Sequence[dict[str, Any]]) -> dict[str, dict[str, FieldEffect]]:
    rules: dict[str, dict[str, FieldEffect]] = {}
    for rule in told:
        rules.setdefault(rule["entity"], {})[rule["field"]] = FieldEffect[rule["effect"]]
    return rules


def _left() -> Caller:
    raise Denied("AUTHOR_LEFT", "the rule's author may not sign in; let somebody else publish it")


def _keep(session: ServiceSession, entity: Any, values: dict[str, Any]) -> None:
    statement = insert(entity).values(**values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={key: value for key, value in values.items() if key != "id"},
            where=entity.version < statement.excluded.version,
        )
    )
