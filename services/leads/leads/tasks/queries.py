"""Reads: the tasks that a caller may see. Rows are plain rows, not entities, save those locked for a change."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import DomainError, NotFound
from chassis.filters import Field, FieldKind, FieldRegistry
from chassis.names import parse_name
from chassis.organisation import organisation
from chassis.paging import Page, SortKey
from chassis.sharing import not_yours
from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.types import Text, Uuid

from leads import subjects
from leads.model import UNENDED, Task, TaskDependency, TaskPriority, TaskStatus

ENTITY = "task"
NOBODY = UUID(int=0)
"""Stands in the board for the assignee of tasks that nobody has been given."""

_NARROWS = "none: narrows what another condition has found"
_blocker = Task.__table__.alias("blocker")


class Bucket(StrEnum):
    """A part of the tasks. The names are those of `crm.leads.v1.TaskBucket`."""

    OPEN = "OPEN"
    OVERDUE = "OVERDUE"
    DUE_TODAY = "DUE_TODAY"
    DONE_THIS_WEEK = "DONE_THIS_WEEK"


SUBJECT = case(
    (Task.customer_id.is_not(None), func.concat("customers/", Task.customer_id, type_=Text)),
    else_=func.concat("leads/", Task.lead_id, type_=Text),
)
"""The resource name of what a task is about."""


def _about(name: str) -> ColumnElement[bool]:
    if name.partition("/")[0] not in subjects.COLLECTIONS:
        return false()
    subject = subjects.parse_subject(name, field="filter")
    if subject.collection == "customers":
        return Task.customer_id == subject.id
    return and_(Task.lead_id == subject.id, Task.customer_id.is_(None))


TASK_FIELDS = (
    Field("name", FieldKind.REFERENCE, Task.id, collection="tasks", index="pk_task"),
    Field("subject", FieldKind.TEXT, SUBJECT, holds=_about, index="ix_task_lead, ix_task_customer"),
    Field("assignee", FieldKind.REFERENCE, Task.assignee_id, collection="users", index="ix_task_assignee"),
    Field("creator", FieldKind.TEXT, Task.creator, index=_NARROWS),
    Field("title", FieldKind.TEXT, Task.title, index=_NARROWS),
    Field("description", FieldKind.TEXT, Task.description, index=_NARROWS),
    Field("due_time", FieldKind.TIME, Task.due_time, sortable=True, index="ix_task_due_time"),
    Field("priority", FieldKind.ENUM, Task.priority, choices=tuple(TaskPriority), index=_NARROWS),
    Field("status", FieldKind.ENUM, Task.status, choices=tuple(TaskStatus), index=_NARROWS),
    Field("cancel_reason", FieldKind.TEXT, Task.cancel_reason, index=_NARROWS),
    Field("recurrence", FieldKind.TEXT, Task.recurrence, index=_NARROWS),
    Field("required", FieldKind.BOOLEAN, Task.required, index=_NARROWS),
    Field("follows_owner", FieldKind.BOOLEAN, Task.follows_owner, index=_NARROWS),
    Field("ender", FieldKind.TEXT, Task.ender, index=_NARROWS),
    Field("end_time", FieldKind.TIME, Task.end_time, index=_NARROWS),
    Field("create_time", FieldKind.TIME, Task.create_time, sortable=True, index="ix_task_create_time"),
    Field("update_time", FieldKind.TIME, Task.update_time, sortable=True, index="ix_task_update_time"),
)
"""The fields that tasks are filtered and sorted by, each with the index that serves it."""

REGISTRY = FieldRegistry(TASK_FIELDS, entity=ENTITY)
_FIRST_DUE = SortKey(Task.due_time)
_BY_ID = SortKey(Task.id, nullable=False)


def blocked() -> ColumnElement[bool]:
    """Whether a task waits for another one that has not ended."""
    return exists().where(
        TaskDependency.task_id == Task.id,
        TaskDependency.blocker_id == _blocker.c.id,
        _blocker.c.status.in_([status.value for status in UNENDED]),
    )


_dependencies = (
    select(func.array_agg(aggregate_order_by(TaskDependency.blocker_id, TaskDependency.blocker_id), type_=ARRAY(Uuid)))
    .where(TaskDependency.task_id == Task.id)
    .correlate(Task)
    .scalar_subquery()
)
_TASKS = select(*Task.__table__.columns, _dependencies.label("dependencies"), blocked().label("blocked"))


def select_tasks() -> Select[Any]:
    """Tasks as rows, with what they wait for."""
    return _TASKS


def unended() -> ColumnElement[bool]:
    """Whether a task has not ended."""
    return Task.status.in_([status.value for status in UNENDED])


def in_bucket(session: ServiceSession, bucket: Bucket | None) -> ColumnElement[bool]:
    """Whether a task belongs to a part, by the days and weeks of the organisation now."""
    match bucket:
        case None:
            return true()
        case Bucket.OPEN:
            return unended()
        case Bucket.OVERDUE:
            return and_(unended(), Task.due_time < session.now)
        case Bucket.DUE_TODAY:
            start, end = _day(session, 0), _day(session, 1)
            return and_(unended(), Task.due_time >= start, Task.due_time < end)
        case Bucket.DONE_THIS_WEEK:
            company = organisation(session)
            passed = (company.day_of(session.now).weekday() - company.first_day_of_week) % 7
            return and_(Task.status == TaskStatus.DONE.value, Task.end_time >= _day(session, -passed))


def _day(session: ServiceSession, offset: int) -> datetime:
    """When a day begins, so many after today."""
    company = organisation(session)
    day = company.day_of(session.now) + timedelta(days=offset)
    return datetime.combine(day, datetime.min.time(), company.zone)


def get_task(session: ServiceSession, task_id: UUID) -> Any:
    """A task as a row. Raises NotFound if there is none that the caller may see."""
    row = session.execute(_TASKS.where(Task.id == task_id, subjects.reach(session, Task, "task.read"))).first()
    if row is None:
        raise no_task()
    return row


def rows(session: ServiceSession, ids: Sequence[UUID]) -> dict[UUID, Any]:
    """Tasks that were just written, as rows."""
    session.flush()
    return {row.id: row for row in session.execute(_TASKS.where(Task.id.in_(ids)))}


def lock_task(session: ServiceSession, task_id: UUID, permission: str) -> Task:
    """A task, locked for a change.

    Raises Denied NOT_YOURS if the permission does not reach it, though the caller can read it; else NotFound.
    """
    statement = select(Task).where(Task.id == task_id, subjects.reach(session, Task, permission))
    # The row as it is once nobody else holds it, also if this session read it before.
    locked = statement.with_for_update().execution_options(populate_existing=True)
    task: Task | None = session.scalars(locked).first()
    if task is None:
        raise refusal(session, task_id, permission)
    return task


def refusal(session: ServiceSession, task_id: UUID, permission: str) -> DomainError:
    """Why a task is out of a permission's reach."""
    if session.caller.granted("task.read"):
        readable = select(Task.assignee_id).where(Task.id == task_id, subjects.reach(session, Task, "task.read"))
        if (row := session.execute(readable).first()) is not None:
            return not_yours(permission, row.assignee_id)
    return no_task()


def list_tasks(
    session: ServiceSession,
    *,
    conditions: Any,
    bucket: Bucket | None,
    order_by: Sequence[Any],
    page_size: int,
    page_token: str,
) -> Page[Any]:
    """A page of tasks as rows."""
    size = paging.page_size(page_size)
    keys = REGISTRY.order(order_by, [_FIRST_DUE], _BY_ID, caller=session.caller)
    mark = paging.fingerprint("tasks", conditions, bucket or "", order_by)
    wanted = _TASKS.where(listed(session, conditions), in_bucket(session, bucket))
    return paging.fetch_page(session, wanted, keys, size, page_token, mark)


def count_tasks(session: ServiceSession, *, conditions: Any, bucket: Bucket | None) -> int:
    """How many tasks a list shows over all pages."""
    wanted = select(func.count()).select_from(Task).where(listed(session, conditions), in_bucket(session, bucket))
    return session.scalar(wanted) or 0


def board(session: ServiceSession, *, conditions: Any, page_size: int, page_token: str) -> Page[Any]:
    """A page of the board: who has how much to do, counted by what a list shows."""
    size = paging.page_size(page_size)
    counts = (func.count().filter(in_bucket(session, bucket)).label(bucket.value.lower()) for bucket in Bucket)
    assignee = func.coalesce(Task.assignee_id, literal(NOBODY, Uuid)).label("assignee_id")
    grouped = select(assignee, *counts).where(listed(session, conditions)).group_by(assignee).subquery("board")
    key = SortKey(grouped.c.assignee_id, nullable=False)
    mark = paging.fingerprint("task board", conditions)
    return paging.fetch_page(session, select(*grouped.c), [key], size, page_token, mark)


def listed(session: ServiceSession, conditions: Any) -> ColumnElement[bool]:
    """Whether a list shows a task."""
    visible = subjects.reach(session, Task, "task.read")
    return and_(visible, REGISTRY.where(conditions, caller=session.caller))


def no_task() -> NotFound:
    """The refusal of a task that does not exist or cannot be seen, which are told alike."""
    return NotFound("TASK_NOT_FOUND", "there is no such task, or you may not see it")


def parse_task(name: str, *, field: str = "name") -> UUID:
    """The id of a task's resource name. Raises Invalid."""
    return parse_name("tasks", name, field=field)
