"""Reads: what was done, and how much of it, each by one statement."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.columns import AnyColumn
from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.names import parse_name
from chassis.organisation import organisation
from chassis.paging import Page, SortKey
from sqlalchemy import (
    ColumnElement,
    Date,
    Interval,
    Select,
    String,
    Subquery,
    Uuid,
    cast,
    false,
    func,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.types import Text

from leads.effectiveness import Verdict
from leads.model import KnownDepartment, KnownUser
from leads.worklog.criteria import Criteria
from leads.worklog.sources import COLUMNS, SOURCES

MOST_GROUPINGS = 3
PERIODS = ("DAY", "WEEK", "MONTH")
GROUPINGS = ("PERSON", "DEPARTMENT", "METHOD", "KIND", *PERIODS)

_USER = literal("users/") + cast(KnownUser.id, Text)


def select_work(session: ServiceSession, criteria: Criteria) -> Select[Any]:
    """The entries that meet the criteria and that the caller may see, with the columns of `sources`.

    Raises Invalid for criteria that make no sense, NotFound for an unknown department.
    """
    criteria.checked()
    begin, end = criteria.bounds(session)
    wanted = [
        source
        for kind, source in SOURCES.items()
        if kind in (criteria.kinds or SOURCES) and session.caller.granted(source.permission)
    ]
    parts = [
        source.select(session).where(
            source.time >= begin, source.time < end, _done_by(session, source.person, criteria)
        )
        for source in wanted
    ]
    if not parts:
        [none, *_] = SOURCES.values()
        parts = [none.select(session).where(~true())]
    work = union_all(*parts).subquery("work")
    statement = select(*[work.c[name] for name in COLUMNS])
    if criteria.method:
        statement = statement.where(work.c.method == criteria.method)
    if criteria.verdict:
        statement = statement.where(work.c.verdict == criteria.verdict)
    return statement


def _done_by(session: ServiceSession, person: AnyColumn, criteria: Criteria) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = true()
    if criteria.person:
        condition = condition & _is(person, criteria.person)
    if criteria.department:
        path = _path_of(session, parse_name("departments", criteria.department, field="department"))
        who = KnownUser.id if _by_id(person) else _USER
        condition = condition & person.in_(select(who).where(func.starts_with(KnownUser.department_path, path)))
    return condition


def _by_id(person: AnyColumn) -> bool:
    return isinstance(person.type, Uuid)


def _is(person: AnyColumn, name: str) -> ColumnElement[bool]:
    if not _by_id(person):
        return person == name
    return person == parse_name("users", name) if name.startswith("users/") else false()


def _path_of(session: ServiceSession, department_id: UUID) -> str:
    department = session.get(KnownDepartment, department_id)
    if department is None:
        raise NotFound("DEPARTMENT_NOT_FOUND", "there is no such department", field="department")
    return department.path


def list_work(session: ServiceSession, criteria: Criteria, *, page_size: int, page_token: str) -> Page[Any]:
    """A page of the log as rows, the newest first."""
    work = select_work(session, criteria).subquery("entry")
    keys = [SortKey(work.c.time, descending=True, nullable=False), SortKey(work.c.id, descending=True, nullable=False)]
    mark = paging.fingerprint("work log", repr(criteria))
    return paging.fetch_page(session, select(work), keys, paging.page_size(page_size), page_token, mark)


def list_statistics(
    session: ServiceSession, criteria: Criteria, groupings: Sequence[str], *, page_size: int, page_token: str
) -> Page[Any]:
    """A page of counts as rows, with a column per grouping, in lower case."""
    counts = select_statistics(session, criteria, groupings).subquery("counts")
    mark = paging.fingerprint("work statistics", repr(criteria), ",".join(groupings))
    keys = [SortKey(counts.c.place, nullable=False)]
    return paging.fetch_page(session, select(counts), keys, paging.page_size(page_size), page_token, mark)


def select_statistics(session: ServiceSession, criteria: Criteria, groupings: Sequence[str]) -> Select[Any]:
    """How much was done, by the groupings. `place` is a text that sorts the counts. Raises Invalid."""
    check_groupings(groupings)
    work = select_work(session, criteria).subquery("entry")
    keys = {grouping: _key(session, grouping, work) for grouping in groupings}
    texts = [func.coalesce(cast(key, Text), "") for key in keys.values()]
    place = func.concat_ws(literal("\x1f", String), literal("", String), *texts).collate("C")
    statement = select(
        *(key.label(grouping.lower()) for grouping, key in keys.items()),
        place.label("place"),
        func.count().label("total"),
        func.count().filter(work.c.verdict == Verdict.EFFECTIVE).label("effective"),
        func.count().filter(work.c.verdict == Verdict.NOT_EFFECTIVE).label("ineffective"),
        func.count(func.coalesce(work.c.customer_id, work.c.lead_id).distinct()).label("subjects"),
    ).select_from(_source(work, groupings))
    return statement.group_by(*keys.values()) if keys else statement.having(func.count() > 0)


def check_groupings(groupings: Sequence[str]) -> None:
    """Raise Invalid unless statistics can be grouped so."""
    unknown = [each for each in groupings if each not in GROUPINGS]
    if unknown or len(groupings) > MOST_GROUPINGS or len(set(groupings)) < len(groupings):
        message = f"group by at most {MOST_GROUPINGS} of {', '.join(GROUPINGS)}, each once"
        raise Invalid("INVALID_GROUPING", message, field="group_by")
    if sum(each in PERIODS for each in groupings) > 1:
        raise Invalid("INVALID_GROUPING", "group by one of day, week and month", field="group_by")


def _source(work: Subquery, groupings: Sequence[str]) -> Any:
    if "DEPARTMENT" not in groupings:
        return work
    # An entry counts for the department of its author and for all above it.
    above = func.starts_with(KnownUser.department_path, KnownDepartment.path)
    return work.outerjoin(KnownUser, work.c.person == _USER).outerjoin(KnownDepartment, above)


def _key(session: ServiceSession, grouping: str, work: Subquery) -> ColumnElement[Any]:
    match grouping:
        case "PERSON":
            return work.c.person
        case "DEPARTMENT":
            return cast(KnownDepartment.id, Uuid)
        case "METHOD":
            return work.c.method
        case "KIND":
            return work.c.kind
    known = organisation(session)
    local = func.timezone(known.zone.key, work.c.time)
    # PostgreSQL's weeks begin on Monday.
    shift = literal(timedelta(days=known.first_day_of_week if grouping == "WEEK" else 0), Interval)
    begin = func.date_trunc(literal(grouping.lower(), String), local - shift) + shift
    return cast(begin, Date)
