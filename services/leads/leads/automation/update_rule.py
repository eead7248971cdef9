"""Change a rule, let it run, stop it, delete it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.etags import check_etag
from chassis.organisation import organisation
from chassis.snapshots import difference

from leads.automation.create_rule import lock_rules, require_unique, snapshot, state
from leads.automation.queries import get_rule
from leads.automation.times import next_due
from leads.automation.webhooks import WebhookPolicy
from leads.model import AutomationRule, AutomationState, TriggerKind

BY_HAND = "BY_HAND"
"""Why a rule stands still that somebody stopped."""


def update_rule(
    session: ServiceSession, rule_id: UUID, values: Mapping[str, Any], webhooks: WebhookPolicy, *, etag: str = ""
) -> AutomationRule:
    """Change a rule by the values stated. The caller becomes its author; a change of nothing leaves no trace."""
    author_id = lock_rules(session)
    rule = get_rule(session, rule_id, lock=True)
    check_etag(etag, rule.version)
    before = snapshot(rule)
    with session.no_autoflush:
        state(session, rule, values, webhooks)
        require_unique(session, rule)
    if snapshot(rule) == before:
        return rule
    rule.author_id = author_id
    if rule.state == AutomationState.PUBLISHED:
        _begin(session, rule)
    return _changed(session, rule, before, "automation_rule.update")


def publish_rule(session: ServiceSession, rule_id: UUID, webhooks: WebhookPolicy, *, etag: str = "") -> AutomationRule:
    """Let a rule run from now on. The caller becomes its author, and must be allowed what it does."""
    author_id = lock_rules(session)
    rule = get_rule(session, rule_id, lock=True)
    check_etag(etag, rule.version)
    if rule.state == AutomationState.PUBLISHED:
        raise Conflict("RULE_PUBLISHED", "the rule runs already", state=rule.state)
    before = snapshot(rule)
    state(session, rule, {}, webhooks)
    rule.state, rule.author_id, rule.suspension_reason = AutomationState.PUBLISHED, author_id, None
    _begin(session, rule)
    return _changed(session, rule, before, "automation_rule.publish")


def suspend_rule(session: ServiceSession, rule_id: UUID, *, etag: str = "") -> AutomationRule:
    """Stop a rule."""
    lock_rules(session)
    rule = get_rule(session, rule_id, lock=True)
    check_etag(etag, rule.version)
    if rule.state != AutomationState.PUBLISHED:
        raise Conflict("RULE_NOT_PUBLISHED", "the rule does not run", state=rule.state)
    before = snapshot(rule)
    rule.state, rule.suspension_reason, rule.next_run_time = AutomationState.SUSPENDED, BY_HAND, None
    return _changed(session, rule, before, "automation_rule.suspend")


def delete_rule(session: ServiceSession, rule_id: UUID, *, etag: str = "") -> None:
    """Delete a rule. What it has queued for other systems is not sent any more."""
    lock_rules(session)
    rule = get_rule(session, rule_id, lock=True)
    check_etag(etag, rule.version)
    session.delete(rule)
    session.flush()
    audit.record(session, "automation_rule.delete", rule.name, snapshot(rule), None)


def _begin(session: ServiceSession, rule: AutomationRule) -> None:
    rule.publish_time, rule.next_run_time = session.now, None
    if rule.trigger_kind == TriggerKind.SCHEDULE:
        rule.next_run_time = next_due(rule.trigger["schedule"], session.now, organisation(session))


def _changed(session: ServiceSession, rule: AutomationRule, before: dict[str, Any], action: str) -> AutomationRule:
    rule.version += 1
    rule.update_time = session.now
    session.flush()
    audit.record(session, action, rule.name, *difference(before, snapshot(rule)))
    return rule
