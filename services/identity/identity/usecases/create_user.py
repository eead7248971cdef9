"""Create a user."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis import audit, formats, outbox
from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import Denied, Invalid
from chassis.names import new_id
from chassis.organisation import organisation

from identity import queries
from identity.field_rules import ensure_may_show
from identity.grants import ensure_may_give
from identity.locks import hold_tree
from identity.model import LOCALES, Department, Role, User, UserState, label, login_name
from identity.uniqueness import flush_unique
from identity.usecases.set_password import set_password


@dataclass(frozen=True)
class UserDraft:
    """What callers say of a user."""

    username: str
    display_name: str
    department_id: UUID | None
    email: str = ""
    phone: str = ""
    role_ids: tuple[UUID, ...] = ()
    state: UserState = UserState.ACTIVE
    locale: str = ""
    partner_id: UUID | None = None


def create_user(
    session: ServiceSession, draft: UserDraft, password_hash: str | None, *, must_change_password: bool = False
) -> User:
    """Add a person to a department and announce it. Without a password the person is to be invited.

    With `must_change_password` the person must choose another one at the first sign-in.
    """
    if draft.state is UserState.INVITED and password_hash:
        raise Invalid("INVALID_STATE", "who has a password is not invited", field="state")
    hold_tree(session)
    if draft.department_id is None:
        raise Invalid("REQUIRED", "name the person's department", field="department")
    department = queries.get_department(session, draft.department_id, field="department")
    ensure_may_settle(session.caller, "user.create", department)
    user = User(
        id=new_id(),
        username=login_name(draft.username),
        display_name=label(draft.display_name, field="display_name"),
        email=email(draft.email),
        phone=phone(draft.phone),
        login_phone=phone(draft.phone),
        state=(draft.state if password_hash else UserState.INVITED).value,
        locale=locale(draft.locale or organisation(session).locale),
        version=1,
        create_time=session.now,
        update_time=session.now,
        partner_id=queries.partner_to_join(session, draft.partner_id, field="partner"),
        roles=queries.roles_to_give(session, draft.role_ids, field="roles"),
    )
    user.settle(department)
    ensure_may_give_roles(session, user.roles, user)
    session.add(user)
    flush_unique(session)
    if password_hash:
        set_password(session, user, password_hash, must_change=must_change_password)
    audit.record(session, "user.create", user.name, None, user.snapshot())
    outbox.emit(session, user.changed())
    return user


def ensure_may_settle(caller: Caller, permission: str, department: Department) -> None:
    """Raise Denied if the caller's permission does not reach the people of the department."""
    if not caller.scope(permission).reaches(None, department.path):
        raise Denied(
            "OUT_OF_SCOPE", f"your permission {permission} does not reach {department.name}", field="department"
        )


def ensure_may_give_roles(session: ServiceSession, roles: Sequence[Role], user: User) -> None:
    """Raise Denied if the user would get more by the roles than the caller has."""
    grants = [grant for role in roles for grant in role.grants]
    paths = queries.paths_of(session, grants, field="roles")
    resolved = [grant.resolve(paths) for grant in grants]
    ensure_may_give(session.caller, resolved, user.id, user.department_path)
    for role in roles:
        ensure_may_show(session.caller, [grant.permission for grant in role.grants], role.field_rules)


def email(value: str) -> str | None:
    """An e-mail address as it is kept: lower case, so that two spellings are one address."""
    return formats.email(value, field="email").lower() if value.strip() else None


def phone(value: str) -> str | None:
    """A phone number in E.164."""
    return formats.phone(value, field="phone") if value.strip() else None


def locale(value: str) -> str:
    """A language that texts are written in."""
    if value and value not in LOCALES:
        raise Invalid("INVALID_LOCALE", f"the language is one of {', '.join(LOCALES)}", field="locale")
    return value or LOCALES[0]
