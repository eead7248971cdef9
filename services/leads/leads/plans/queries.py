"""Reads: the plans that a caller may see. Whoever organises a plan or takes part sees it; a private one nobody else
does."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.filters import Field, FieldKind, FieldRegistry
from chassis.paging import Page, SortKey
from chassis.sharing import not_yours
from sqlalchemy import ColumnElement, and_, exists, or_, select

from leads import subjects
from leads.model import Plan, PlanKind, PlanParticipant, PlanStatus
from leads.subjects import Subject

READ, UPDATE = "plan.read", "plan.update"
ENTITY = "plan"
"""What field rules call plans."""

_NARROWS = "none: narrows what another condition has found"

REGISTRY = FieldRegistry(
    (
        Field("kind", FieldKind.ENUM, Plan.kind, choices=tuple(PlanKind), index=_NARROWS),
        Field("status", FieldKind.ENUM, Plan.status, choices=tuple(PlanStatus), index=_NARROWS),
        Field("assignee", FieldKind.REFERENCE, Plan.assignee_id, collection="users", index="ix_plan_assignee"),
        Field("start_time", FieldKind.TIME, Plan.start_time, sortable=True, index="ix_plan_start_time"),
        Field("create_time", FieldKind.TIME, Plan.create_time, sortable=True, index="ix_plan_create_time"),
    ),
    entity=ENTITY,
)

_LATEST = SortKey(Plan.start_time, descending=True, nullable=False)
_BY_ID = SortKey(Plan.id, descending=True, nullable=False)


def takes_part(user_id: UUID | None) -> ColumnElement[bool]:
    """Whether a user organises a plan, has it as work, or was asked to take part in it."""
    asked = exists().where(PlanParticipant.plan_id == Plan.id, PlanParticipant.user_id == user_id)
    return or_(Plan.assignee_id == user_id, asked)


def visible(session: ServiceSession) -> ColumnElement[bool]:
    """Whether the caller may see more of a plan than that somebody is busy. Raises Denied without `plan.read`."""
    reached = and_(Plan.private.is_(False), subjects.reach(session, Plan, READ))
    own = Plan.organiser == session.caller.subject
    if session.caller.user_id is None:
        return or_(own, reached)
    return or_(own, takes_part(session.caller.user_id), reached)


def visible_among(session: ServiceSession, plan_ids: Collection[UUID]) -> set[UUID]:
    """Those of some plans that the caller may see."""
    if not plan_ids:
        return set()
    return set(session.scalars(select(Plan.id).where(Plan.id.in_(plan_ids), visible(session))))


def get_plan(session: ServiceSession, plan_id: UUID) -> Plan:
    """A plan. Raises NotFound if there is none that the caller may see."""
    plan = session.scalars(select(Plan).where(Plan.id == plan_id, visible(session))).first()
    if plan is None:
        raise no_plan()
    return plan


def lock_plan(session: ServiceSession, plan_id: UUID) -> Plan:
    """A plan that the caller may change, locked. Raises NotFound, or Denied NOT_YOURS if they may see it and no
    more."""
    statement = select(Plan).where(Plan.id == plan_id, visible(session)).with_for_update(of=Plan)
    plan = session.scalars(statement.execution_options(populate_existing=True)).first()
    if plan is None:
        raise no_plan()
    own = plan.organiser == session.caller.subject or plan.assignee_id == session.caller.user_id
    if not own:
        reached = select(Plan.id).where(Plan.id == plan_id, subjects.reach(session, Plan, UPDATE))
        if session.scalar(reached) is None:
            raise not_yours(UPDATE, plan.assignee_id)
    return plan


def list_plans(
    session: ServiceSession,
    *,
    subject: Subject | None,
    conditions: Any,
    order_by: Sequence[Any],
    page_size: int,
    page_token: str,
) -> Page[Plan]:
    """A page of plans, each once however often it recurs."""
    size = paging.page_size(page_size)
    keys = REGISTRY.order(order_by, [_LATEST], _BY_ID, caller=session.caller)
    statement = select(Plan).where(visible(session), REGISTRY.where(conditions, caller=session.caller))
    if subject is not None:
        statement = statement.where(_about(subject))
    mark = paging.fingerprint("plans", subject.name if subject else "", conditions, order_by)
    return paging.fetch_page(session, statement, keys, size, page_token, mark)


def participants_of(session: ServiceSession, plan_ids: Collection[UUID]) -> dict[UUID, list[PlanParticipant]]:
    """Who takes part in some plans."""
    found: dict[UUID, list[PlanParticipant]] = {key: [] for key in plan_ids}
    if plan_ids:
        wanted = select(PlanParticipant).where(PlanParticipant.plan_id.in_(plan_ids))
        for row in session.scalars(wanted.order_by(PlanParticipant.user_id)):
            found[row.plan_id].append(row)
    return found


def no_plan() -> NotFound:
    """The refusal of a plan that does not exist or cannot be seen, which are told alike."""
    return NotFound("PLAN_NOT_FOUND", "there is no such plan, or you may not see it")


def no_occurrence() -> NotFound:
    """The refusal of an occurrence that a plan does not have."""
    message = "the plan has no occurrence that would begin then; see its recurrence"
    return NotFound("OCCURRENCE_NOT_FOUND", message, field="occurrence_time")


def _about(subject: Subject) -> ColumnElement[bool]:
    if subject.collection == "customers":
        return Plan.customer_id == subject.id
    return and_(Plan.lead_id == subject.id, Plan.customer_id.is_(None))
