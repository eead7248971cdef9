"""Change a user."""

from collections.abc import Set
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.etags import check_etag
from sqlalchemy import select

from identity import queries
from identity.locks import hold_tree
from identity.model import Role, User, UserState, label, login_name, user_role
from identity.policy import bump_policy, end_sessions, revoke_tokens
from identity.reach import Relocation, ensure_reach_excludes
from identity.uniqueness import flush_unique
from identity.usecases.clear_heads import clear_heads
from identity.usecases.create_user import (
    UserDraft,
    email,
    ensure_may_give_roles,
    ensure_may_settle,
    locale,
    phone,
)

FIELDS = frozenset({"username", "display_name", "email", "phone", "department", "partner", "roles", "state", "locale"})
_STANDING = frozenset({"department", "partner", "roles", "state"})


def update_user(session: ServiceSession, user_id: UUID, draft: UserDraft, paths: Set[str], etag: str) -> User:
    """Change the fields at `paths` to what the draft says. A change of standing ends the access tokens given before."""
    if paths & _STANDING:
        hold_tree(session)
        bump_policy(session)
    user = queries.get_user(session, user_id, "user.update", lock=True)
    check_etag(etag, user.version)
    before, administered = user.snapshot(), user.administers
    _apply_standing(session, user, draft, paths)
    _apply_profile(user, draft, paths)
    after = user.snapshot()
    if after == before:
        return user
    user.version += 1
    user.update_time = session.now
    flush_unique(session)
    if administered and not user.administers:
        ensure_administrator_remains(session)
    if any(after[field] != before[field] for field in _STANDING):
        ended = [] if user.active else end_sessions(session, user.id)
        revoke_tokens(session, [user.name, *ended])
    if before["state"] != after["state"] and not user.active:
        clear_heads(session, user.id)
    audit.record(session, "user.update", user.name, before, after)
    outbox.emit(session, user.changed())
    return user


def _apply_profile(user: User, draft: UserDraft, paths: Set[str]) -> None:
    if "username" in paths:
        user.username = login_name(draft.username)
    if "display_name" in paths:
        user.display_name = label(draft.display_name, field="display_name")
    if "email" in paths:
        user.email = email(draft.email)
    if "phone" in paths:
        user.phone = user.login_phone = phone(draft.phone)
    if "locale" in paths:
        user.locale = locale(draft.locale)


def _apply_standing(session: ServiceSession, user: User, draft: UserDraft, paths: Set[str]) -> None:
    """Apply what a token states. What the user may do afterwards must not exceed what the caller may."""
    held = {role.id for role in user.roles}
    gained = list(user.roles) if _settle(session, user, draft, paths) else []
    if "roles" in paths and set(draft.role_ids) != held:
        user.roles = queries.roles_to_give(session, draft.role_ids, field="roles")
        gained = [role for role in user.roles if gained or role.id not in held]
    if "state" in paths and draft.state != user.state:
        _ensure_may_become(user, draft.state)
        user.state = draft.state.value
        gained = list(user.roles) if user.active else gained
    if "partner" in paths and draft.partner_id != user.partner_id:
        user.partner_id = queries.partner_to_join(session, draft.partner_id, field="partner")
        gained = list(user.roles)  # which reach further for an employee
    ensure_may_give_roles(session, gained, user)


def _ensure_may_become(user: User, state: UserState) -> None:
    if state is UserState.INVITED:
        raise Invalid("INVALID_STATE", "people are invited by InviteUser and ResendInvitation", field="state")
    # Who signs in by an identity provider alone never had a password, but was here before.
    if state is UserState.ACTIVE and user.password_hash is None and user.last_login_time is None:
        raise Conflict("NOT_ACTIVATED", "the person has no password yet: invite the person again", user=user.name)


def _settle(session: ServiceSession, user: User, draft: UserDraft, paths: Set[str]) -> bool:
    if "department" not in paths or draft.department_id == user.department_id:
        return False
    if draft.department_id is None:
        raise Invalid("REQUIRED", "name the person's department", field="department")
    department = queries.get_department(session, draft.department_id, field="department")
    ensure_may_settle(session.caller, "user.update", department)
    ensure_reach_excludes(session.caller, user.id, Relocation(user.department_path, department.path))
    user.settle(department)
    return True


def ensure_administrator_remains(session: ServiceSession) -> None:
    """Raise Conflict if no active user holds the administrator role. Needs the policy's lock."""
    administrators = (
        select(User.id)
        .join(user_role, user_role.c.user_id == User.id)
        .join(Role, Role.id == user_role.c.role_id)
        .where(Role.builtin, User.state == UserState.ACTIVE, User.partner_id.is_(None))
        .limit(1)
    )
    if session.scalar(administrators) is None:
        raise Conflict("LAST_ADMINISTRATOR", "make somebody else an administrator first")
