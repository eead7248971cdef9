"""What people wrote about a person in the records of others."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from typing import cast as cast_type

from sqlalchemy import Column, Select, String, Text, cast, false, func, literal, or_, select

from chassis import audit
from chassis.db import ServiceSession
from chassis.handover.model import HandoverTask
from chassis.jobs import Job, JobState
from chassis.personal_data.participants import Finding, FreeText
from chassis.personal_data.people import Person
from chassis.personal_data.redaction import Redactor

_ENDED = Job.state.in_([state for state in JobState if state.ended])
_OF_CHASSIS = (
    *(FreeText(column, names=True, where=_ENDED) for column in (Job.options, Job.checkpoint, Job.result)),
    FreeText(Job.failure_message, names=True, where=_ENDED),
    FreeText(HandoverTask.rules),
)


def all_texts(own: Sequence[FreeText]) -> Sequence[FreeText]:
    """The columns of a service's own tables, and those of the chassis."""
    return (*own, *_OF_CHASSIS)


def find(
    session: ServiceSession, person: Person, texts: Sequence[FreeText], whole: Collection[str]
) -> Iterator[Finding]:
    """Where the person is told of. `whole`: records that are erased as a whole, whose own texts go with them."""
    anywhere, there = Redactor(person), Redactor(person, names=True)
    places = person.records | person.places
    for each in texts:
        if there.pattern:
            for row, place in session.execute(_select(each, anywhere, there, places)):
                if _name(row) not in whole:
                    yield _finding(each, row, each.names or place in places, person)


def erase(session: ServiceSession, person: Person, texts: Sequence[FreeText], findings: Sequence[Finding]) -> None:
    """Take the person out of what was found."""
    anywhere, there = Redactor(person), Redactor(person, names=True)
    by_kind = {each.kind: each for each in texts}
    for found in findings:
        if each := by_kind.get(found.kind):
            _redact(session, each, found, there if each.names or found.about else anywhere)


def _select(each: FreeText, anywhere: Redactor, there: Redactor, places: Collection[str]) -> Select[Any]:
    written = cast(each.column, Text)
    place: Any = each.place if each.place is not None else literal("", String)
    everywhere = (there if each.names else anywhere).pattern
    matches = [written.regexp_match(everywhere, "i")] if everywhere else []
    if each.place is not None:
        matches.append(place.in_(places) & written.regexp_match(there.pattern, "i"))
    entity: Any = each.column.class_
    statement = select(entity, func.coalesce(place, "")).where(or_(false(), *matches)).order_by(_key(entity))
    return statement if each.where is None else statement.where(each.where)


def _finding(each: FreeText, row: Any, at_place: bool, person: Person) -> Finding:
    value = getattr(row, each.column.key)
    return Finding(
        kind=each.kind,
        name=_name(row),
        values={each.column.key: value},
        about=person.records if at_place else frozenset(),
        whole=False,
        marks=frozenset(mark for mark in person.marks if Redactor(person.only(mark)).value(value) != value),
    )


def _redact(session: ServiceSession, each: FreeText, found: Finding, redactor: Redactor) -> None:
    entity: Any = each.column.class_
    key = each.column.key
    row = session.get(
        entity, _key(entity).type.python_type(found.name.rpartition("/")[2]), with_for_update={"of": entity}
    )
    if row is None or (redacted := redactor.value(getattr(row, key))) == getattr(row, key):
        return
    setattr(row, key, redacted)
    told: Mapping[str, Any] = {"redacted": key}
    if hasattr(row, "version"):
        row.version += 1
        told = {"redacted": key, "version": row.version}
    if hasattr(row, "update_time"):
        row.update_time = session.now
    session.flush()
    audit.record(session, f"{entity.__tablename__}.redact", found.name, None, told)


def _name(row: Any) -> str:
    return str(getattr(row, "name", None) or f"{row.__tablename__}/{getattr(row, _key(type(row)).key)}")


def _key(entity: type[Any]) -> Column[Any]:
    [key] = entity.__table__.primary_key.columns
    return cast_type(Column[Any], key)
