"""Make a rule."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.errors import Denied, Duplicate, Exhausted
from chassis.names import new_id
from chassis.snapshots import filled
from sqlalchemy import func, select

from leads.automation.drafts import Judge
from leads.automation.webhooks import WebhookPolicy
from leads.model import AutomationRule, AutomationState

PERMISSION = "automation.configure"
MOST_RULES = 200
"""Every event is judged by all that are published."""
FIELDS = frozenset({"display_name", "priority", "trigger", "condition", "actions"})

_KEPT = ("display_name", "state", "priority", "trigger", "condition", "actions", "suspension_reason", "version")


def create_rule(session: ServiceSession, values: Mapping[str, Any], webhooks: WebhookPolicy) -> AutomationRule:
    """Make a rule as a draft, whose author the caller is.

    Raises Denied, Invalid, Duplicate DUPLICATE_RULE or Exhausted TOO_MANY_RULES.
    """
    author_id = lock_rules(session)
    rule = draft_of(session, values, webhooks, author_id)
    require_unique(session, rule)
    session.add(rule)
    session.flush()
    if (session.scalar(select(func.count()).select_from(AutomationRule)) or 0) > MOST_RULES:
        raise Exhausted("TOO_MANY_RULES", f"at most {MOST_RULES} rules fit, drafts included")
    audit.record(session, "automation_rule.create", rule.name, None, snapshot(rule))
    return rule


def draft_of(
    session: ServiceSession, values: Mapping[str, Any], webhooks: WebhookPolicy, author_id: UUID
) -> AutomationRule:
    """A rule that is not stored, judged as one that is. Raises Denied or Invalid."""
    rule = AutomationRule(
        id=new_id(),
        state=AutomationState.DRAFT,
        author_id=author_id,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    state(session, rule, {"priority": 0, "condition": "", "actions": [], "trigger": {}, **values}, webhooks)
    return rule


def state(session: ServiceSession, rule: AutomationRule, values: Mapping[str, Any], webhooks: WebhookPolicy) -> None:
    """Give a rule the values stated, and judge the whole of it anew. Raises Denied or Invalid."""
    judge = Judge(session, webhooks)
    if "display_name" in values:
        rule.display_name = judge.name(values["display_name"])
    if "priority" in values:
        rule.priority = judge.priority(values["priority"])
    if "trigger" in values:
        rule.trigger = judge.trigger(values["trigger"])
        rule.trigger_kind = rule.trigger["kind"]
    if "condition" in values:
        rule.condition = values["condition"].strip()
    if "actions" in values:
        rule.actions = [dict(action) for action in values["actions"]]
    judge.body(rule.trigger, rule.condition, rule.actions)


def lock_rules(session: ServiceSession) -> UUID:
    """Let nobody else change rules until the transaction ends, and say who the author is.

    Raises Denied SCOPE_TOO_NARROW or NOT_A_USER.
    """
    session.caller.require_everything(PERMISSION)
    if session.caller.user_id is None:
        raise Denied("NOT_A_USER", "rules act with the rights of a person: let a user make them")
    locks.hold(session, "automation rules")
    return session.caller.user_id


def require_unique(session: ServiceSession, rule: AutomationRule) -> None:
    """Raise Duplicate DUPLICATE_RULE if another rule has the name."""
    same = select(AutomationRule.id).where(
        AutomationRule.display_name == rule.display_name, AutomationRule.id != rule.id
    )
    with session.no_autoflush:
        if session.scalar(same) is not None:
            raise Duplicate("DUPLICATE_RULE", f"there is a rule {rule.display_name!r} already", field="display_name")


def snapshot(rule: AutomationRule) -> dict[str, Any]:
    """What the audit log keeps of a rule."""
    return filled({**{key: getattr(rule, key) for key in _KEPT}, "author": f"users/{rule.author_id}"})
