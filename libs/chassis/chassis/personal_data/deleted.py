"""Deleted records, sealed and out of everybody's sight, until no legal hold can ask for them any more.

A hold reaches a service by event. What the service deletes just before must not be gone when it comes: the content is
set aside in the transaction of the deletion, for `KEPT`, and as long as a hold names it. Nobody reads it but those who
export a person's data; nothing brings it back.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy import delete, or_, select

from chassis.db import ServiceSession
from chassis.encryption import Sealed
from chassis.names import new_id
from chassis.personal_data.model import DeletedRecord, digests
from chassis.personal_data.participants import Finding
from chassis.personal_data.people import Person
from chassis.personal_data.redaction import Redactor

KEPT = timedelta(days=30)
"""How long a deleted record is set aside, by the business time: far longer than an event ever takes."""
DELETED_RECORD, DELETED_TEXT = "deleted_record", "deleted_record.text"
_AT_ONCE = 500


def set_aside(session: ServiceSession, deleted: Finding, names: Collection[str]) -> None:
    """Keep what a record holds that is deleted now, and whose person bears these names."""
    record_id = new_id()
    content = {"values": deleted.values, "names": sorted(names), "marks": sorted(deleted.marks)}
    record = DeletedRecord(
        id=record_id,
        record=deleted.name,
        content=_sealed(session, record_id, content),
        digests=digests(session.data_keys, deleted.marks),
        delete_time=session.now,
    )
    session.add(record)
    session.flush()


def forget(session: ServiceSession, records: Collection[str]) -> None:
    """Drop what was set aside of records that are there again."""
    gone = delete(DeletedRecord).where(DeletedRecord.record.in_(records))
    session.execute(gone, execution_options={"synchronize_session": False})


def known(session: ServiceSession, person: Person) -> Person:
    """What deleted records of a person tell, so that one can be named as the person and is found by what it bore."""
    told = Person()
    for record, content in _matching(session, person):
        told = told.merged(Person(records=frozenset({record.record}), names=frozenset(content["names"])))
    return told


def ids(session: ServiceSession, collection: str, wanted: Iterable[UUID]) -> set[UUID]:
    """Those of some ids of a collection that are ids of records set aside."""
    names = {f"{collection}/{one}": one for one in wanted}
    return {
        names[name] for name in session.scalars(select(DeletedRecord.record).where(DeletedRecord.record.in_(names)))
    }


def find(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """What is set aside of a person, and what other records that are set aside tell of the person."""
    redactor = Redactor(person, names=True)
    rows = select(DeletedRecord).order_by(DeletedRecord.id).execution_options(yield_per=_AT_ONCE)
    for record in session.scalars(rows):
        content = _content(session, record)
        values = content["values"]
        if _is(person, record, content):
            yield Finding(DELETED_RECORD, record.record, values, marks=frozenset(content["marks"]))
        elif redactor.value(values) != values:
            yield Finding(DELETED_TEXT, record.record, values, person.records, person.marks, whole=False)


def erase(session: ServiceSession, person: Person, findings: Iterable[Finding]) -> None:
    """Drop what is set aside of the person, and take the person out of the rest."""
    told = {kind: [found.name for found in findings if found.kind == kind] for kind in (DELETED_RECORD, DELETED_TEXT)}
    forget(session, told[DELETED_RECORD])
    redactor = Redactor(person, names=True)
    for record in session.scalars(select(DeletedRecord).where(DeletedRecord.record.in_(told[DELETED_TEXT]))):
        content = _content(session, record)
        content["values"] = redactor.value(content["values"])
        record.content = _sealed(session, record.id, content)
    session.flush()


def _matching(session: ServiceSession, person: Person) -> Iterator[tuple[DeletedRecord, dict[str, Any]]]:
    bearing = digests(session.data_keys, person.marks) if person.marks else []
    same = or_(DeletedRecord.record.in_(person.records), DeletedRecord.digests.overlap(bearing))
    for record in session.scalars(select(DeletedRecord).where(same).order_by(DeletedRecord.id)):
        content = _content(session, record)
        if _is(person, record, content):
            yield record, content


def _is(person: Person, record: DeletedRecord, content: Mapping[str, Any]) -> bool:
    """Whether a record is the person's, by the same rule as for those that are there."""
    marks = person.marks.intersection(content["marks"])
    if record.record in person.records or person.identity_numbers & marks:
        return True
    return bool(marks) and any(person.bears(name) for name in content["names"])


def _content(session: ServiceSession, record: DeletedRecord) -> dict[str, Any]:
    opened = session.data_keys.open(record.content, DeletedRecord.place(record.id))
    return cast(dict[str, Any], orjson.loads(opened))


def _sealed(session: ServiceSession, record_id: UUID, content: Mapping[str, Any]) -> Sealed:
    return session.data_keys.seal(orjson.dumps(content, str).decode(), DeletedRecord.place(record_id))
