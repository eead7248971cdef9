"""Reads: the calls that a caller may see, and what they come to."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.field_rules import require_readable
from chassis.filters import Field, FieldKind, FieldRegistry
from chassis.organisation import organisation
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, Date, cast, func, literal, select, true

from leads import subjects
from leads.days import bounds
from leads.model import Call, CallDirection, CallState
from leads.subjects import Subject

READ = "call.read"
ENTITY = "call"
NOBODY = UUID(int=0)
"""Stands for nobody where rows are sorted by a person."""

REGISTRY = FieldRegistry(
    (
        Field("assignee", FieldKind.REFERENCE, Call.assignee_id, collection="users", index="ix_call_assignee"),
        Field("start_time", FieldKind.TIME, Call.start_time, sortable=True, index="ix_call_start_time"),
        Field("direction", FieldKind.ENUM, Call.direction, choices=tuple(CallDirection), index="none: narrows"),
        Field("state", FieldKind.ENUM, Call.state, choices=tuple(CallState), index="none: narrows"),
        Field("outcome", FieldKind.TEXT, Call.outcome, index="none: narrows"),
    ),
    entity=ENTITY,
)

_NEWEST = (
    SortKey(Call.start_time, descending=True, nullable=False),
    SortKey(Call.id, descending=True, nullable=False),
)


def visible(session: ServiceSession) -> ColumnElement[bool]:
    """Whether the caller may see a call: their own, that of whom they reach, or with what they reach."""
    return subjects.reach(session, Call, READ)


def get_call(session: ServiceSession, call_id: UUID, *, lock: bool = False) -> Call:
    """A call. Raises NotFound if there is none that the caller may see."""
    statement = select(Call).where(Call.id == call_id, visible(session))
    call = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if call is None:
        raise no_call()
    return call


def list_calls(
    session: ServiceSession, subject: Subject | None, *, conditions: Any, page_size: int, page_token: str
) -> Page[Call]:
    """A page of calls, the newest first."""
    size = paging.page_size(page_size)
    where = REGISTRY.where(conditions, caller=session.caller)
    statement = select(Call).where(visible(session), where, _with(subject))
    mark = paging.fingerprint("calls", conditions, subject.name if subject else "")
    return paging.fetch_page(session, statement, list(_NEWEST), size, page_token, mark)


def _with(subject: Subject | None) -> ColumnElement[bool]:
    if subject is None:
        return true()
    return (Call.customer_id if subject.collection == "customers" else Call.lead_id) == subject.id


@dataclass(frozen=True)
class Period:
    """Which calls are counted."""

    start: date
    end: date
    user_id: UUID | None = None


def list_statistics(session: ServiceSession, period: Period, *, page_size: int, page_token: str) -> Page[Any]:
    """A page of what the calls of each person and day came to, of those that the caller sees. Raises Denied
    FIELD_NOT_READABLE if their roles keep durations from them."""
    size = paging.page_size(page_size)
    # A sum over one call would tell what the caller's roles keep of it.
    require_readable(session.caller, ENTITY, "duration_seconds", path="duration_seconds")
    counted = _counted(session, period).subquery("counted")
    keys = [SortKey(counted.c.day, descending=True, nullable=False), SortKey(counted.c.person, nullable=False)]
    mark = paging.fingerprint("call statistics", f"{period.start} {period.end} {period.user_id}")
    return paging.fetch_page(session, select(*counted.c), keys, size, page_token, mark)


def _counted(session: ServiceSession, period: Period) -> Any:
    begin, end = bounds(session, period.start, period.end)
    zone = organisation(session).zone.key
    day = cast(func.timezone(zone, Call.start_time), Date)
    person = func.coalesce(Call.assignee_id, literal(NOBODY))
    of_outcome = (
        select(
            day.label("day"),
            person.label("person"),
            Call.outcome,
            func.count().label("calls"),
            func.count().filter(Call.direction == CallDirection.INBOUND).label("inbound"),
            func.count().filter(connected()).label("connected"),
            func.coalesce(func.sum(Call.duration_seconds), 0).label("talk_seconds"),
        )
        .where(
            visible(session),
            Call.start_time >= begin,
            Call.start_time < end,
            Call.assignee_id == period.user_id if period.user_id is not None else true(),
        )
        # By place: the zone is a parameter, and two parameters are two expressions.
        .group_by("day", "person", Call.outcome)
        .subquery("of_outcome")
    )
    sums = [func.sum(of_outcome.c[name]).label(name) for name in ("calls", "inbound", "connected", "talk_seconds")]
    outcomes = func.jsonb_object_agg(of_outcome.c.outcome, of_outcome.c.calls).filter(of_outcome.c.outcome != "")
    return select(of_outcome.c.day, of_outcome.c.person, *sums, outcomes.label("outcomes")).group_by(
        of_outcome.c.day, of_outcome.c.person
    )


def connected() -> ColumnElement[bool]:
    """Whether somebody spoke in a call: it was answered, or somebody says for how long they spoke."""
    return (Call.duration_seconds > 0) | Call.answer_time.is_not(None)


def no_call() -> NotFound:
    """The refusal of a call that does not exist or cannot be seen, which are told alike."""
    return NotFound("CALL_NOT_FOUND", "there is no such call, or you may not see it")
