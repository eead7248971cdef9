"""Collecting and erasing what a service holds about a person."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar
from uuid import UUID

import orjson
from crm.identity.v1.events_pb2 import PersonalDataRequested
from sqlalchemy.dialects.postgresql import insert

from chassis.bus.handlers import Received, Subscription
from chassis.callers import Caller, Grant, Reach
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name
from chassis.outbox import emit
from chassis.personal_data import deleted, echoes, files, residue, texts
from chassis.personal_data.holds import current_holds, keep_told, learn_hold
from chassis.personal_data.model import KEPT, PersonalDataTask
from chassis.personal_data.participants import Finding, PersonalData
from chassis.personal_data.people import Person

AUDIT_ENTRY = "audit_entry"


@dataclass(frozen=True)
class PersonalDataProcessed:
    """`crm.common.v1.PersonalDataProcessed`, published by whichever service keeps something about people."""

    SUBJECT: ClassVar[str] = "request"
    PACKAGE: ClassVar[str] = "crm.common.v1"

    request: str
    service: str
    found: Mapping[str, int]
    erased: Mapping[str, int]
    held: Mapping[str, int]
    kept: Mapping[str, int]


def subscriptions(data: PersonalData) -> tuple[Subscription, Subscription]:
    """What a service adds to its subscriptions to serve requests for personal data and to obey legal holds."""
    return (
        Subscription("identity", ("LegalHoldChanged",), f"{data.service}.legal-holds", learn_hold, keeps_state=True),
        Subscription(
            "identity",
            ("PersonalDataRequested",),
            f"{data.service}.personal-data",
            partial(_process, data),
            erases=True,
        ),
    )


def _process(data: PersonalData, session: ServiceSession, received: Received) -> None:
    event = received.message(PersonalDataRequested)
    request_id = parse_name("personalDataRequests", event.request, field="request")
    for hold in event.legal_holds:
        keep_told(session, hold)
    keys = session.data_keys
    person = Person.unseal(keys, request_id, event.sealed_identifiers, event.records, event.places)
    before = session.caller
    session.caller = Caller(subject=event.actor, grants={"*": (Grant("*", Reach.ALL),)})
    try:
        findings = _find(data, session, person)
        if event.kind == "EXPORT":
            told = _collect(session, request_id, person, findings)
        else:
            told = _erase(data, session, request_id, person, findings)
    finally:
        session.caller = before  # which other events of the transaction have as well
    emit(session, PersonalDataProcessed(event.request, session.service, **told))


def _find(data: PersonalData, session: ServiceSession, person: Person) -> Sequence[Finding]:
    """All that the service's own tables and those of the chassis tell of a person."""
    own = [*data.find(session, person), *deleted.find(session, person)]
    whole = {found.name for found in own if found.whole}
    return [
        *own,
        *texts.find(session, _with_parts(person, own), texts.all_texts(data.texts), whole),
        *files.find(session, person),
    ]


def _collect(
    session: ServiceSession, request_id: UUID, person: Person, findings: Sequence[Finding]
) -> dict[str, Mapping[str, int]]:
    """Keep what was found, sealed, for the download."""
    entries = residue.audit_entries(session, _with_parts(person, findings), _names(person, findings))
    content = {
        "records": [{"kind": each.kind, "name": each.name, "values": each.values} for each in findings],
        "audit_entries": [dict(row._mapping) for row in entries],
    }
    sealed = session.data_keys.seal(orjson.dumps(content, str).decode(), PersonalDataTask.place(request_id))
    values = {"id": request_id, "content": sealed, "expire_time": session.now + KEPT}
    statement = insert(PersonalDataTask).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"content": sealed}))
    found = _count(findings) + Counter({AUDIT_ENTRY: len(entries)})
    return {"found": +found, "erased": {}, "held": {}, "kept": {}}


def _erase(
    data: PersonalData, session: ServiceSession, request_id: UUID, person: Person, findings: Sequence[Finding]
) -> dict[str, Mapping[str, int]]:
    """Erase what neither a legal hold keeps nor somebody uses. Where anything is kept, the log and events keep all that
    tells of what is kept."""
    holds = current_holds(session)
    held = [each for each in findings if holds.keep(each.about | {each.name}, each.marks)]
    kept = [each for each in findings if each.in_use and each not in held]
    free = [each for each in findings if not each.retained and each not in held and each not in kept]
    data.erase(session, person, free)
    late = _deleted_meanwhile(session, person, findings)
    held += [each for each in late if holds.keep(each.about | {each.name}, each.marks)]
    free += [each for each in late if each not in held]
    findings = [*findings, *late]
    deleted.erase(session, person, free)
    texts.erase(session, person, texts.all_texts(data.texts), free)
    files.erase(session, person, free)
    session.flush()
    erased, reason = _count(free), make_name("personalDataRequests", request_id)
    if not held and not kept and not holds.keep(person.records, person.marks):
        entries = residue.erase(session, _with_parts(person, free), _names(person, free), reason)
        echoes.remember(session, request_id, person)
    else:
        entries = residue.erase(session, Person(), {each.name for each in free if each.whole}, reason)
    erased += Counter({AUDIT_ENTRY: entries})
    return {"found": _count(findings), "erased": +erased, "held": _count(held), "kept": _count(kept)}


def _deleted_meanwhile(session: ServiceSession, person: Person, findings: Sequence[Finding]) -> list[Finding]:
    """What others deleted, and so set aside, after it was looked for: to erase a record waits for who deletes it."""
    known = {(each.kind, each.name) for each in findings}
    return [each for each in deleted.find(session, person) if (each.kind, each.name) not in known]


def _names(person: Person, findings: Iterable[Finding]) -> set[str]:
    return {*person.records, *(each.name for each in findings if each.whole)}


def _with_parts(person: Person, findings: Iterable[Finding]) -> Person:
    """The person, who is known also where only a part of a record tells of the person."""
    return replace(person, places=person.places | {each.name for each in findings if not each.whole})


def _count(findings: Iterable[Finding]) -> Counter[str]:
    return Counter(each.kind for each in findings)
