"""What calls tell of a person."""

from collections.abc import Iterator
from typing import Any

from chassis import audit
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.personal_data import REDACTED, Finding, Person
from sqlalchemy import ColumnElement, Text, case, delete, func, or_, select

from leads.calls.facts import snapshot
from leads.model import Call, CallEvent

CALL = "call"
PLACE = case(
    (Call.customer_id.is_not(None), func.concat("customers/", Call.customer_id, type_=Text)),
    else_=func.concat("leads/", Call.lead_id, type_=Text),
)
"""The resource name of whom a call was with."""


def find(session: ServiceSession, person: Person) -> Iterator[Finding]:
    """The calls with the person, and those with a number of the person."""
    own: list[ColumnElement[bool]] = [
        Call.customer_id.in_(person.ids("customers")),
        Call.lead_id.in_(person.ids("leads")),
    ]
    if person.phones:
        own.append(Call.phone.in_(person.phones))
    for call in session.scalars(select(Call).where(or_(*own)).order_by(Call.id)):
        marks = frozenset({call.phone} & person.phones)
        yield Finding(CALL, call.name, _values(call), about=person.records, marks=marks, whole=False)


def erase(session: ServiceSession, found: Finding) -> None:
    """Take out number, recording and note, and all that the telephone system told. When it was, how long it took, and
    what came of it stays."""
    call = session.get(Call, parse_name("calls", found.name), with_for_update=True)
    if call is None:
        return
    call.phone = call.recording_url = ""
    call.note = REDACTED if call.note else ""
    call.candidates = []
    call.version += 1
    session.execute(delete(CallEvent).where(CallEvent.call_id == call.id))
    session.flush()
    audit.record(session, "call.erase", call.name, None, {"version": call.version})


def _values(call: Call) -> dict[str, Any]:
    kept = ("direction", "phone", "start_time", "end_time", "duration_seconds", "recording_url", "outcome", "note")
    values = snapshot(call)
    return {key: values[key] for key in ("subject", "assignee", *kept) if key in values}
