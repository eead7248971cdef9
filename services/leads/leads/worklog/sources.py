"""Where the entries of the work log come from: the one place where kinds of work are registered.

A source selects, of the records that the caller may see, those that tell of work done, under the names of COLUMNS. What
the caller's roles hide is NULL, and so can neither be counted by nor be filtered by.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.callers import Caller
from chassis.columns import AnyColumn
from chassis.db import ServiceSession
from chassis.field_rules import may_read
from sqlalchemy import ColumnElement, Select, String, cast, null, select, type_coerce
from sqlalchemy.sql.expression import literal

from leads import queries, subjects
from leads.model import Call, FollowUp, Task, TaskStatus, Visit
from leads.visits import queries as visits

COLUMNS = ("kind", "id", "person", "time", "customer_id", "lead_id", "method", "summary", "verdict")


@dataclass(frozen=True)
class Source:
    """A kind of work."""

    collection: str
    """What the names of its records begin with."""
    permission: str
    """What its records are read with: whoever lacks it is told of no work of this kind."""
    select: Callable[[ServiceSession], Select[Any]]
    time: AnyColumn
    person: AnyColumn
    """Who did it, by resource name, or by the id of a user."""


def _follow_ups(session: ServiceSession) -> Select[Any]:
    caller = session.caller
    return queries.select_visible(session).with_only_columns(
        literal("FOLLOW_UP").label("kind"),
        FollowUp.id.label("id"),
        FollowUp.author.label("person"),
        FollowUp.occur_time.label("time"),
        FollowUp.customer_id.label("customer_id"),
        FollowUp.lead_id.label("lead_id"),
        _shown(caller, queries.ENTITY, "method", FollowUp.method).label("method"),
        _shown(caller, queries.ENTITY, "content", FollowUp.content).label("summary"),
        FollowUp.verdict.label("verdict"),
    )


def _tasks(session: ServiceSession) -> Select[Any]:
    """Those that were completed, by whoever completed them."""
    caller = session.caller
    return select(
        literal("TASK").label("kind"),
        Task.id.label("id"),
        Task.ender.label("person"),
        Task.end_time.label("time"),
        Task.customer_id.label("customer_id"),
        Task.lead_id.label("lead_id"),
        type_coerce(null(), String).label("method"),
        _shown(caller, "task", "title", Task.title).label("summary"),
        type_coerce(null(), String).label("verdict"),
    ).where(Task.status == TaskStatus.DONE, subjects.reach(session, Task, "task.read"))


def _visits(session: ServiceSession) -> Select[Any]:
    """By when they began."""
    return select(
        literal("VISIT").label("kind"),
        Visit.id.label("id"),
        (literal("users/") + cast(Visit.assignee_id, String)).label("person"),
        Visit.check_in_time.label("time"),
        Visit.customer_id.label("customer_id"),
        Visit.lead_id.label("lead_id"),
        type_coerce(null(), String).label("method"),
        _shown(session.caller, visits.ENTITY, "note", Visit.note).label("summary"),
        type_coerce(null(), String).label("verdict"),
    ).where(visits.visible(session))


def _calls(session: ServiceSession) -> Select[Any]:
    """Those that were made and taken, answered or not, by when they began."""
    return select(
        literal("CALL").label("kind"),
        Call.id.label("id"),
        (literal("users/") + cast(Call.assignee_id, String)).label("person"),
        Call.start_time.label("time"),
        Call.customer_id.label("customer_id"),
        Call.lead_id.label("lead_id"),
        literal("CALL").label("method"),
        _shown(session.caller, "call", "note", Call.note).label("summary"),
        type_coerce(null(), String).label("verdict"),
    ).where(subjects.reach(session, Call, "call.read"))


SOURCES: Mapping[str, Source] = {
    "FOLLOW_UP": Source("followUps", queries.READ, _follow_ups, FollowUp.occur_time, FollowUp.author),
    "TASK": Source("tasks", "task.read", _tasks, Task.end_time, Task.ender),
    "CALL": Source("calls", "call.read", _calls, Call.start_time, Call.assignee_id),
    "VISIT": Source("visits", visits.READ, _visits, Visit.check_in_time, Visit.assignee_id),
}
"""By kind, as `crm.leads.v1.WorkKind` names them."""


def _shown(caller: Caller, entity: str, field: str, column: Any) -> ColumnElement[Any]:
    return column if may_read(caller, entity, field) else type_coerce(null(), String)
