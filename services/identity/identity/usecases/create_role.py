"""Create a role."""

from collections.abc import Set
from dataclasses import dataclass

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.names import new_id

from identity import queries
from identity.field_rules import FieldRule, check_field_rules, ensure_may_show
from identity.grants import RoleGrant, check_grants, ensure_may_define
from identity.locks import hold_tree
from identity.model import Role, label
from identity.policy import bump_policy
from identity.uniqueness import flush_unique


@dataclass(frozen=True)
class RoleDraft:
    """What callers say of a role."""

    display_name: str
    grants: tuple[RoleGrant, ...]
    field_rules: tuple[FieldRule, ...] = ()
    require_second_factor: bool = False


def create_role(session: ServiceSession, draft: RoleDraft, known_permissions: Set[str]) -> Role:
    """Add a role that grants no more than the caller has."""
    session.caller.require_everything("role.create")
    hold_tree(session)
    bump_policy(session)
    ensure_grantable(session, draft.grants, known_permissions, new=draft.grants)
    check_field_rules(draft.field_rules, field="field_rules")
    ensure_may_show(session.caller, [grant.permission for grant in draft.grants], draft.field_rules)
    return add_role(session, draft, builtin=False)


def add_role(session: ServiceSession, draft: RoleDraft, *, builtin: bool) -> Role:
    """Add a role whose grants have been checked."""
    role = Role(
        id=new_id(),
        display_name=label(draft.display_name, field="display_name"),
        stored_grants=[grant.to_json() for grant in draft.grants],
        stored_field_rules=[rule.to_json() for rule in draft.field_rules],
        builtin=builtin,
        require_second_factor=draft.require_second_factor,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    session.add(role)
    flush_unique(session)
    audit.record(session, "role.create", role.name, None, role.snapshot())
    outbox.emit(session, role.changed())
    return role


def ensure_grantable(
    session: ServiceSession,
    grants: tuple[RoleGrant, ...],
    known_permissions: Set[str],
    *,
    new: tuple[RoleGrant, ...],
) -> None:
    """Raise Invalid for grants that make no sense, Denied for new ones that exceed the caller's own."""
    check_grants(grants, known_permissions, field="grants")
    paths = queries.paths_of(session, grants, field="grants")
    ensure_may_define(session.caller, [grant.resolve(paths) for grant in new])
