"""Reads. Users are narrowed by the caller's data scope; departments, roles and clients concern everybody."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from chassis.callers import Scope
from chassis.clock import system_clock
from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.names import make_name
from chassis.paging import Page, SortKey, fetch_page
from chassis.prepared import Prepared
from chassis.scopes import in_scope
from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, func, select
from sqlalchemy.orm import selectinload

from identity.grants import RoleGrant, named_departments
from identity.model import Client, Department, Partner, Revocation, Role, User, user_role
from identity.policy import LONGEST_ACCESS_TOKEN, policy_version

# A role's grants come with each user who holds it, and to read them costs more than all the rest.
_ROLE_NAMES = selectinload(User.roles).load_only(Role.display_name)

_ROLE_IDS = (
    select(Role.id)
    .join(user_role, user_role.c.role_id == Role.id)
    .where(user_role.c.user_id == User.id)
    .order_by(Role.display_name)
)
_SOME_USERS = Prepared(
    select(
        *[column for column in User.__table__.columns if column.key != "password_hash"],
        func.array(_ROLE_IDS.scalar_subquery()).label("role_ids"),
    ).where(User.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
)

Entity = TypeVar("Entity", Department, Partner, Role, User)


def visible(scope: Scope) -> ColumnElement[bool]:
    """Whether a user lies in a data scope: everybody owns themselves."""
    return in_scope(scope, User.id, User.department_path)


def get_user(session: ServiceSession, user_id: UUID, permission: str = "user.read", *, lock: bool = False) -> User:
    """A user within reach of the caller's permission. Raises NotFound."""
    statement = select(User).where(User.id == user_id, visible(session.caller.scope(permission)))
    user = session.scalars(statement.with_for_update(of=User) if lock else statement).one_or_none()
    if user is None:
        raise NotFound("USER_NOT_FOUND", "there is no such user", user=make_name("users", user_id))
    return user


def get_own_user(session: ServiceSession, *, lock: bool = False) -> User:
    """The caller's own user. Raises NotFound for a machine."""
    statement = select(User).where(User.id == session.caller.user_id)
    user = session.scalars(statement.with_for_update(of=User) if lock else statement).one_or_none()
    if user is None:
        raise NotFound("USER_NOT_FOUND", "the caller is no user", user=session.caller.subject)
    return user


def list_users(
    session: ServiceSession,
    where: ColumnElement[bool],
    keys: Sequence[SortKey],
    size: int,
    token: str,
    fingerprint: str,
) -> Page[User]:
    """A page of the users that the caller may see."""
    statement = select(User).options(_ROLE_NAMES).where(visible(session.caller.scope("user.read")), where)
    return fetch_page(session, statement, keys, size, token, fingerprint)


def find_users(session: ServiceSession, ids: Sequence[UUID]) -> list[Any]:
    """Those of the users that exist and that the caller may see, as rows with `role_ids`, in the order asked."""
    scope = session.caller.scope("user.read")
    rows = {
        row.id: row for row in _SOME_USERS.all(session, ids=list(ids)) if scope.reaches(row.id, row.department_path)
    }
    return [rows[key] for key in dict.fromkeys(ids) if key in rows]


def get_department(session: ServiceSession, department_id: UUID, *, field: str = "") -> Department:
    """A department. Raises NotFound, or Invalid if it is named by a field of the request."""
    found = session.get(Department, department_id)
    if found is None:
        name = make_name("departments", department_id)
        if field:
            raise Invalid("UNKNOWN_DEPARTMENT", f"there is no department {name}", field=field)
        raise NotFound("DEPARTMENT_NOT_FOUND", "there is no such department", department=name)
    return found


def find_departments(session: ServiceSession, ids: Sequence[UUID]) -> list[Department]:
    """Those of the departments that exist, in the order asked."""
    return _in_order(ids, session.scalars(select(Department).where(Department.id.in_(ids))))


def nearest_theatres(session: ServiceSession, departments: Iterable[Department]) -> dict[UUID, UUID]:
    """The nearest theatre of each department that lies in one: itself, or the nearest above that is one."""
    lines = {department.id: [UUID(key) for key in department.path.split("/") if key] for department in departments}
    keys = {key for line in lines.values() for key in line}
    theatres = set(session.scalars(select(Department.id).where(Department.id.in_(keys), Department.theatre)))
    nearest = {key: next((each for each in reversed(line) if each in theatres), None) for key, line in lines.items()}
    return {key: theatre for key, theatre in nearest.items() if theatre is not None}


def list_departments(session: ServiceSession, size: int, token: str) -> Page[Department]:
    """A page of the departments, each followed by those below it."""
    return fetch_page(
        session, select(Department), [SortKey(Department.path, nullable=False)], size, token, "departments"
    )


def department_paths(session: ServiceSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """The paths of those of the departments that exist."""
    if not ids:
        return {}
    return {
        row.id: row.path
        for row in session.execute(select(Department.id, Department.path).where(Department.id.in_(ids)))
    }


def paths_of(session: ServiceSession, grants: Iterable[RoleGrant], *, field: str) -> dict[UUID, str]:
    """The paths of the departments that grants name. Raises Invalid if one does not exist."""
    named = named_departments(grants)
    paths = department_paths(session, named)
    for missing in sorted(named - paths.keys()):
        name = make_name("departments", missing)
        raise Invalid("UNKNOWN_DEPARTMENT", f"there is no department {name}", field=field)
    return paths


def get_partner(session: ServiceSession, partner_id: UUID, *, lock: bool = False) -> Partner:
    """A partner. Raises NotFound."""
    statement = select(Partner).where(Partner.id == partner_id)
    partner = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if partner is None:
        raise NotFound("PARTNER_NOT_FOUND", "there is no such partner", partner=make_name("partners", partner_id))
    return partner


def find_partners(session: ServiceSession, ids: Sequence[UUID]) -> list[Partner]:
    """Those of the partners that exist, in the order asked."""
    return _in_order(ids, session.scalars(select(Partner).where(Partner.id.in_(ids))))


def list_partners(session: ServiceSession, size: int, token: str) -> Page[Partner]:
    """A page of the partners by name."""
    return fetch_page(
        session, select(Partner), [SortKey(Partner.display_name, nullable=False)], size, token, "partners"
    )


def partner_to_join(session: ServiceSession, partner_id: UUID | None, *, field: str) -> UUID | None:
    """The id of a partner, kept from being deleted until the transaction ends. Raises Invalid if there is none."""
    statement = select(Partner.id).where(Partner.id == partner_id).with_for_update(read=True)
    if partner_id is not None and session.scalar(statement) is None:
        name = make_name("partners", partner_id)
        raise Invalid("UNKNOWN_PARTNER", f"there is no partner {name}", field=field)
    return partner_id


def get_role(session: ServiceSession, role_id: UUID, *, lock: bool = False) -> Role:
    """A role. Raises NotFound."""
    statement = select(Role).where(Role.id == role_id)
    role = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if role is None:
        raise NotFound("ROLE_NOT_FOUND", "there is no such role", role=make_name("roles", role_id))
    return role


def find_roles(session: ServiceSession, ids: Sequence[UUID]) -> list[Role]:
    """Those of the roles that exist, in the order asked."""
    return _in_order(ids, session.scalars(select(Role).where(Role.id.in_(ids))))


def roles_to_give(session: ServiceSession, ids: Collection[UUID], *, field: str) -> list[Role]:
    """The roles, kept from being deleted until the transaction ends. Raises Invalid if one does not exist."""
    kept = select(Role).where(Role.id.in_(ids)).order_by(Role.id).with_for_update(read=True, key_share=True)
    found = {role.id: role for role in session.scalars(kept)} if ids else {}
    for missing in sorted(set(ids) - found.keys()):
        raise Invalid("UNKNOWN_ROLE", f"there is no role {make_name('roles', missing)}", field=field)
    return list(found.values())


def list_roles(session: ServiceSession, size: int, token: str) -> Page[Role]:
    """A page of the roles, by name."""
    return fetch_page(session, select(Role), [SortKey(Role.display_name, nullable=False)], size, token, "roles")


def get_client(session: ServiceSession, client_key: UUID, *, lock: bool = False) -> Client:
    """A client. Raises NotFound."""
    statement = select(Client).where(Client.id == client_key)
    client = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if client is None:
        raise NotFound("CLIENT_NOT_FOUND", "there is no such client", client=make_name("clients", client_key))
    return client


def list_clients(session: ServiceSession, size: int, token: str) -> Page[Client]:
    """A page of the clients, by client id."""
    return fetch_page(session, select(Client), [SortKey(Client.client_id, nullable=False)], size, token, "clients")


@dataclass(frozen=True)
class PolicyData:
    """Who may do what, as of one version."""

    version: int
    roles: Sequence[Role]
    clients: Sequence[Client]
    revocations: Sequence[Revocation]
    department_paths: Mapping[UUID, str]


def load_policy(session: ServiceSession) -> PolicyData:
    """The policy. The session must see one moment of the database throughout."""
    roles = session.scalars(select(Role).order_by(Role.id)).all()
    clients = session.scalars(select(Client).where(Client.disabled.is_(False)).order_by(Client.id)).all()
    living = Revocation.not_before > system_clock() - LONGEST_ACCESS_TOKEN - timedelta(minutes=1)
    grants = [grant for role in roles for grant in role.grants] + [grant for item in clients for grant in item.grants]
    return PolicyData(
        version=policy_version(session),
        roles=roles,
        clients=clients,
        revocations=session.scalars(select(Revocation).where(living).order_by(Revocation.subject)).all(),
        department_paths=department_paths(session, named_departments(grants)),
    )


def _in_order(ids: Sequence[UUID], found: Iterable[Entity]) -> list[Entity]:
    by_id = {entity.id: entity for entity in found}
    return [by_id[key] for key in dict.fromkeys(ids) if key in by_id]
