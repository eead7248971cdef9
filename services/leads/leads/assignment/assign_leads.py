"""Assign leads by the rules because somebody asks for it, or find out what would be decided."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.scopes import in_scope
from sqlalchemy import ColumnElement, Select, and_, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from leads.assignment.deciding import assign
from leads.assignment.judging import Decision, Judge, assignable
from leads.lead_queries import REGISTRY, no_lead
from leads.model import AssignmentCause, Lead, WaitingLead

PERMISSION = "lead.assign"
PART = 500
"""Leads that are judged while the caller waits."""
MOST_QUEUED = 50_000


@dataclass(frozen=True)
class Outcome:
    """What came of a request to assign leads."""

    decisions: Sequence[Decision]
    passed_over: int
    queued: int


def assign_leads(session: ServiceSession, ids: Sequence[UUID], conditions: Any, *, dry_run: bool) -> Outcome:
    """Decide on leads that are named, or else that fulfil a filter. Of the latter, the first 500 at once; the others
    wait for the timer.

    Raises NotFound LEAD_NOT_FOUND for named ones that the caller does not reach; Invalid TOO_MANY_NAMES or REQUIRED.
    """
    if len(ids) > PART:
        raise Invalid("TOO_MANY_NAMES", f"name at most {PART} leads, or use a filter", field="names")
    if not ids and conditions.WhichOneof("node") is None:
        raise Invalid("REQUIRED", "name leads, or give a filter", field="names")
    if ids and conditions.WhichOneof("node") is not None:
        raise Invalid("INVALID_VALUE", "give either names or a filter", field="filter")
    chosen = _named(session, ids) if ids else _first(session, conditions)
    causes = dict.fromkeys(chosen, AssignmentCause.REQUESTED)
    if dry_run:
        decisions = Judge(session).judge(causes, lock=False)
        queued = 0 if ids else max(0, _count(session, conditions) - len(chosen))
    else:
        decisions = assign(session, causes)
        queued = 0 if ids else _queue_others(session, conditions, chosen)
    return Outcome(decisions, len(chosen) - len(decisions), queued)


def _reached(session: ServiceSession) -> ColumnElement[bool]:
    return in_scope(session.caller.scope(PERMISSION), Lead.owner_id, Lead.owner_department_path)


def _named(session: ServiceSession, ids: Sequence[UUID]) -> list[UUID]:
    found = set(session.scalars(select(Lead.id).where(Lead.id.in_(ids), _reached(session))))
    if set(ids) - found:
        raise no_lead()
    return list(dict.fromkeys(ids))


def _found(session: ServiceSession, conditions: Any) -> ColumnElement[bool]:
    return and_(assignable(), REGISTRY.where(conditions, caller=session.caller), _reached(session))


def _first(session: ServiceSession, conditions: Any) -> list[UUID]:
    statement = select(Lead.id).where(_found(session, conditions)).order_by(Lead.create_time, Lead.id).limit(PART)
    return list(session.scalars(statement))


def _count(session: ServiceSession, conditions: Any) -> int:
    return session.scalar(select(func.count()).select_from(Lead).where(_found(session, conditions))) or 0


def _queue_others(session: ServiceSession, conditions: Any, done: Collection[UUID]) -> int:
    """Let the timer judge what else the filter finds."""
    if len(done) < PART:
        return 0
    columns = ("lead_id", "reason", "pool_time", "retry_time", "cause")
    values = [literal(""), literal(session.now), literal(session.now), literal(AssignmentCause.REQUESTED.value)]
    others: Select[Any] = (
        select(Lead.id, *values)
        .where(_found(session, conditions), Lead.id.not_in(done))
        .order_by(Lead.create_time, Lead.id)
        .limit(MOST_QUEUED)
    )
    statement = insert(WaitingLead).from_select(columns, others)
    again = {name: statement.excluded[name] for name in ("retry_time", "cause")}
    statement = statement.on_conflict_do_update(index_elements=["lead_id"], set_=again)
    queued = len(session.scalars(statement.returning(WaitingLead.lead_id)).all())
    if queued:
        audit.record(session, "lead.queue_assignment", "leads", None, {"count": queued})
    return queued
