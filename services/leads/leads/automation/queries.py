"""Reads: rules and their runs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, select, true

from leads.model import AutomationRule, AutomationRun

PERMISSION = "automation.read"


def get_rule(session: ServiceSession, rule_id: UUID, *, lock: bool = False) -> AutomationRule:
    """A rule. Raises NotFound RULE_NOT_FOUND."""
    statement = select(AutomationRule).where(AutomationRule.id == rule_id)
    rule = session.scalars(statement.with_for_update() if lock else statement).first()
    if rule is None:
        raise NotFound("RULE_NOT_FOUND", "there is no such rule")
    return rule


def read_rule(session: ServiceSession, rule_id: UUID) -> AutomationRule:
    """A rule, for whoever may read rules. Raises Denied SCOPE_TOO_NARROW, NotFound RULE_NOT_FOUND."""
    session.caller.require_everything(PERMISSION)
    return get_rule(session, rule_id)


def list_rules(session: ServiceSession, state: str, *, page_size: int, page_token: str) -> Page[AutomationRule]:
    """A page of rules, those that run first first."""
    session.caller.require_everything(PERMISSION)
    size = paging.page_size(page_size)
    statement = select(AutomationRule).where(AutomationRule.state == state if state else true())
    keys = [SortKey(AutomationRule.priority, nullable=False), SortKey(AutomationRule.id, nullable=False)]
    return paging.fetch_page(session, statement, keys, size, page_token, paging.fingerprint("rules", state))


def list_runs(
    session: ServiceSession,
    *,
    rule_id: UUID | None,
    record: str,
    outcome: str,
    start: datetime | None,
    end: datetime | None,
    page_size: int,
    page_token: str,
) -> Page[Any]:
    """A page of runs, the newest first."""
    session.caller.require_everything(PERMISSION)
    size = paging.page_size(page_size)
    conditions: list[ColumnElement[bool]] = [true()]
    if rule_id is not None:
        conditions.append(AutomationRun.rule_id == rule_id)
    if record:
        conditions.append(AutomationRun.record == record)
    if outcome:
        conditions.append(AutomationRun.outcome == outcome)
    if start is not None:
        conditions.append(AutomationRun.run_time >= start)
    if end is not None:
        conditions.append(AutomationRun.run_time < end)
    keys = [SortKey(AutomationRun.id, descending=True, nullable=False)]
    mark = paging.fingerprint("runs", str(rule_id), record, outcome, str(start), str(end))
    return paging.fetch_page(session, select(AutomationRun).where(*conditions), keys, size, page_token, mark)
