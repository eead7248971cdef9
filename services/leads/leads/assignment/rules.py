"""Create, change and delete assignment rules, and change the settings."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Duplicate, Exhausted, Invalid, NotFound
from chassis.etags import check_etag
from chassis.filters import filter_from_json
from chassis.names import make_name, new_id
from chassis.rules import Rule, apply, choice, refuse, required_text
from chassis.snapshots import difference, filled
from sqlalchemy import func, select

from leads.assignment.deciding import alone, wake
from leads.assignment.judging import settings_of
from leads.lead_queries import REGISTRY
from leads.model import (
    AssignmentRule,
    AssignmentStrategy,
    KnownDepartment,
    KnownRole,
    KnownUser,
    LeadAssignmentSettings,
    OutsideHours,
)
from leads.model.assignment import DEFAULT_PERFORMANCE_DAYS, DEFAULT_TRIES

PERMISSION = "assignment_rule.configure"
SETTINGS_NAME = "leadAssignmentSettings"
MOST_RULES = 200
MOST_USERS = 500
MOST_DEPARTMENTS = 100
MOST_ROLES = 50
MOST_WORDS = 100
_LAST = 1_000_000


def number(value: int, *, least: int, most: int) -> int:
    """A whole number within limits."""
    if not least <= value <= most:
        raise Invalid("OUT_OF_RANGE", f"it must be from {least:,} to {most:,}")
    return value


def words(values: list[str], *, most: int) -> list[str]:
    """Short texts, each once, in the order given."""
    found = list(dict.fromkeys(required_text(value, maximum=100) for value in values))
    if len(found) > most:
        raise Invalid("TOO_MANY", f"at most {most} fit", maximum=most)
    return found


def _ids(values: list[UUID], *, most: int) -> list[UUID]:
    if len(values) > most:
        raise Invalid("TOO_MANY", f"at most {most} fit", maximum=most)
    return list(dict.fromkeys(values))


def _as_given(value: Any) -> Any:
    return value


_RULES: Mapping[str, Rule] = {
    "display_name": partial(required_text, maximum=100),
    "priority": partial(number, least=1, most=_LAST),
    "disabled": _as_given,
    "active_from": _as_given,
    "active_until": _as_given,
    "condition": _as_given,
    "strategy": partial(choice, values=AssignmentStrategy, reason="INVALID_STRATEGY"),
    "users": partial(_ids, most=MOST_USERS),
    "departments": partial(_ids, most=MOST_DEPARTMENTS),
    "headed_departments": partial(_ids, most=MOST_DEPARTMENTS),
    "roles": partial(_ids, most=MOST_ROLES),
    "required_skills": partial(words, most=20),
    "outside_hours": partial(choice, values=OutsideHours, reason="INVALID_VALUE"),
    "accept_minutes": partial(number, least=0, most=100_000),
    "max_tries": partial(number, least=1, most=20),
    "performance_days": partial(number, least=1, most=730),
    "fallback_department_id": _as_given,
    "manager_id": _as_given,
    "manager_is_head": _as_given,
}
RULE_FIELDS = frozenset(_RULES)
"""What is stated of a rule, by column."""
DEFAULTS: Mapping[str, Any] = {
    "outside_hours": OutsideHours.NEXT_WORKER,
    "max_tries": DEFAULT_TRIES,
    "performance_days": DEFAULT_PERFORMANCE_DAYS,
}
"""What holds of a rule for what is not stated."""


def create_rule(session: ServiceSession, values: Mapping[str, Any]) -> AssignmentRule:
    """Create a rule from raw values by column; the condition in the form in which filters are kept.

    Raises Denied SCOPE_TOO_NARROW, Invalid, Duplicate DUPLICATE_PRIORITY, Exhausted TOO_MANY_RULES.
    """
    _alone(session)
    last = session.scalar(select(func.max(AssignmentRule.priority))) or 0
    if (session.scalar(select(func.count()).select_from(AssignmentRule)) or 0) >= MOST_RULES:
        raise Exhausted("TOO_MANY_RULES", f"at most {MOST_RULES} rules fit; delete one first")
    rule = AssignmentRule(
        id=new_id(),
        priority=last + 1,
        disabled=False,
        condition={},
        users=[],
        departments=[],
        headed_departments=[],
        roles=[],
        manager_is_head=False,
        required_skills=[],
        accept_minutes=0,
        creator=session.caller.subject,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    required = {"display_name": "", "strategy": ""}
    _apply(session, rule, {**required, **DEFAULTS, **values})
    session.add(rule)
    session.flush()
    wake(session)
    audit.record(session, "assignment_rule.create", rule.name, None, _snapshot(rule))
    return rule


def update_rule(session: ServiceSession, rule_id: UUID, values: Mapping[str, Any], *, etag: str = "") -> AssignmentRule:
    """Change a rule, for leads that are judged from then on. Raises NotFound, Stale, or as `create_rule` does."""
    _alone(session)
    rule = find_rule(session, rule_id)
    check_etag(etag, rule.version)
    before = _snapshot(rule)
    _apply(session, rule, values)
    if _snapshot(rule) == before:
        return rule
    rule.version += 1
    rule.update_time = session.now
    session.flush()
    wake(session)
    old, new = difference(before, _snapshot(rule))
    audit.record(session, "assignment_rule.update", rule.name, old, new)
    return rule


def delete_rule(session: ServiceSession, rule_id: UUID, *, etag: str = "") -> None:
    """Delete a rule and what it owes. What was decided by it stays. Raises NotFound, Stale or Denied."""
    _alone(session)
    rule = find_rule(session, rule_id)
    check_etag(etag, rule.version)
    session.delete(rule)
    session.flush()
    wake(session)
    audit.record(session, "assignment_rule.delete", rule.name, _snapshot(rule), None)


def find_rule(session: ServiceSession, rule_id: UUID) -> AssignmentRule:
    """A rule. Raises NotFound."""
    rule = session.get(AssignmentRule, rule_id)
    if rule is None:
        raise NotFound("ASSIGNMENT_RULE_NOT_FOUND", "there is no such rule", field="name")
    return rule


def update_settings(session: ServiceSession, values: Mapping[str, Any], *, etag: str = "") -> LeadAssignmentSettings:
    """Change the settings. Raises Denied SCOPE_TOO_NARROW, Invalid or Stale."""
    _alone(session)
    settings = settings_of(session)
    check_etag(etag, settings.version)
    before = _settings_snapshot(settings)
    for column, value in values.items():
        setattr(settings, column, value)
    _check_references(session, settings)
    if _settings_snapshot(settings) == before:
        return settings
    settings.version += 1
    session.add(settings)
    session.flush()
    wake(session)
    audit.record(session, "assignment_rule.configure", SETTINGS_NAME, before, _settings_snapshot(settings))
    return settings


def _alone(session: ServiceSession) -> None:
    """Let nobody else change rules, nor decide by them: decisions refer to the rules that they were made by."""
    session.caller.require_everything(PERMISSION)
    alone(session)


def _apply(session: ServiceSession, rule: AssignmentRule, values: Mapping[str, Any]) -> None:
    stored, faults = apply(_RULES, values)
    refuse(faults)
    for column, value in stored.items():
        setattr(rule, column, value)
    if rule.active_from is not None and rule.active_until is not None and rule.active_until <= rule.active_from:
        raise Invalid("INVALID_VALUE", "a rule ends after it begins", field="active_until")
    if not (rule.users or rule.departments or rule.headed_departments or rule.roles):
        message = "name people, departments, heads or roles who are given the leads"
        raise Invalid("REQUIRED", message, field="users")
    # Whoever makes the rule must not learn by it what their roles hide.
    REGISTRY.where(filter_from_json(rule.condition, path="condition"), path="condition", caller=session.caller)
    _check_references(session, rule)
    with session.no_autoflush:
        taken = session.scalar(
            select(AssignmentRule.display_name).where(
                AssignmentRule.priority == rule.priority, AssignmentRule.id != rule.id
            )
        )
    if taken is not None:
        raise Duplicate("DUPLICATE_PRIORITY", f"the rule {taken!r} has this priority", field="priority")


def _check_references(session: ServiceSession, row: AssignmentRule | LeadAssignmentSettings) -> None:
    users = {key for key in [row.manager_id] if key is not None}
    departments = {key for key in [row.fallback_department_id] if key is not None}
    if isinstance(row, AssignmentRule):
        users.update(row.users)
        departments.update(row.departments, row.headed_departments)
        _check_roles(session, row)
    with session.no_autoflush:
        employees = select(KnownUser.id).where(KnownUser.id.in_(users), KnownUser.partner_id.is_(None))
        known_users = set(session.scalars(employees))
        known_departments = set(session.scalars(select(KnownDepartment.id).where(KnownDepartment.id.in_(departments))))
    if users - known_users:
        raise Invalid("UNKNOWN_OWNER", "there is no such employee", field="users")
    if departments - known_departments:
        raise Invalid("UNKNOWN_DEPARTMENT", "there is no such department", field="departments")


def _check_roles(session: ServiceSession, rule: AssignmentRule) -> None:
    with session.no_autoflush:
        known = select(KnownRole.id).where(KnownRole.id.in_(rule.roles), KnownRole.deleted.is_(False))
        if set(rule.roles) - set(session.scalars(known)):
            raise Invalid("UNKNOWN_ROLE", "there is no such role", field="roles")


def _snapshot(rule: AssignmentRule) -> dict[str, Any]:
    values = {column: getattr(rule, column) for column in RULE_FIELDS}
    values |= {
        "users": [make_name("users", key) for key in rule.users],
        "departments": [make_name("departments", key) for key in rule.departments],
        "headed_departments": [make_name("departments", key) for key in rule.headed_departments],
        "roles": [make_name("roles", key) for key in rule.roles],
        "active_from": rule.active_from.isoformat() if rule.active_from else None,
        "active_until": rule.active_until.isoformat() if rule.active_until else None,
        "fallback_department": make_name("departments", values.pop("fallback_department_id")),
        "manager": make_name("users", values.pop("manager_id")),
        "version": rule.version,
    }
    return filled(values)


def _settings_snapshot(settings: LeadAssignmentSettings) -> dict[str, Any]:
    return filled(
        {
            "fallback_department": make_name("departments", settings.fallback_department_id),
            "manager": make_name("users", settings.manager_id),
            "version": settings.version,
        }
    )
