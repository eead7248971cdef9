"""Change a role."""

from collections.abc import Set
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.names import make_name
from sqlalchemy import select

from identity import queries
from identity.field_rules import check_field_rules, ensure_may_show
from identity.locks import hold_tree
from identity.model import LoginSession, Role, label, user_role
from identity.policy import bump_policy, revoke_tokens
from identity.uniqueness import flush_unique
from identity.usecases.create_role import RoleDraft, ensure_grantable

FIELDS = frozenset({"display_name", "grants", "field_rules", "require_second_factor"})


def update_role(
    session: ServiceSession, role_id: UUID, draft: RoleDraft, paths: Set[str], etag: str, known_permissions: Set[str]
) -> Role:
    """Change the fields at `paths` to what the draft says. Whoever holds the role has the new grants at once."""
    session.caller.require_everything("role.update")
    hold_tree(session)
    bump_policy(session)
    role = queries.get_role(session, role_id, lock=True)
    check_etag(etag, role.version)
    if paths != {"require_second_factor"}:
        role.ensure_changeable()
    before = role.snapshot()
    if "display_name" in paths:
        role.display_name = label(draft.display_name, field="display_name")
    if "grants" in paths:
        held = set(role.grants)
        added = tuple(grant for grant in draft.grants if grant not in held)
        ensure_grantable(session, draft.grants, known_permissions, new=added)
        role.stored_grants = [grant.to_json() for grant in draft.grants]
    if "field_rules" in paths:
        check_field_rules(draft.field_rules, field="field_rules")
        role.stored_field_rules = [rule.to_json() for rule in draft.field_rules]
    if paths & {"grants", "field_rules"}:
        ensure_may_show(session.caller, [grant.permission for grant in role.grants], role.field_rules)
    if "require_second_factor" in paths:
        role.require_second_factor = draft.require_second_factor
    if role.snapshot() == before:
        return role
    role.version += 1
    role.update_time = session.now
    flush_unique(session)
    if role.require_second_factor and not before["require_second_factor"]:
        _limit_holders(session, role)
    audit.record(session, "role.update", role.name, before, role.snapshot())
    outbox.emit(session, role.changed())
    return role


def _limit_holders(session: ServiceSession, role: Role) -> None:
    """Refuse the tokens that holders of the role have now in sessions without a second factor: new ones are limited."""
    holders = select(user_role.c.user_id).where(user_role.c.role_id == role.id)
    without = select(LoginSession.id).where(
        LoginSession.user_id.in_(holders), LoginSession.revoke_time.is_(None), LoginSession.second_factor.is_(False)
    )
    revoke_tokens(session, [make_name("sessions", key) for key in session.scalars(without)])
