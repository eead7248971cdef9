"""An erasure takes numbers, recordings and what the telephone system told; that there was a call stays."""

from datetime import UTC, datetime

from chassis.callers import service_caller
from chassis.personal_data import Person
from leads.calls import personal
from leads.calls.events import EventState, Told
from leads.calls.receiving import receive_call_event
from leads.model import Call, CallEvent
from leads.usecases.erase_person import erase_person
from sqlalchemy import select

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
ME = service_caller("leads")


def test_the_calls_of_a_number_are_found_and_emptied_and_those_of_others_stay(database):
    told = Told(
        "p1",
        EventState.ENDED,
        NOON,
        direction="INBOUND",
        phone="13800138000",
        duration_seconds=61,
        recording_url="https://pbx.example.com/p1.mp3",
    )
    other = Told("p2", EventState.MISSED, NOON, direction="INBOUND", phone="13800138001")
    with database.write(ME) as session:
        for each in (told, other):
            receive_call_event(session, each)
    person = Person(phones=frozenset({"+8613800138000"}))
    with database.write(ME) as session:
        findings = list(personal.find(session, person))
        [found] = findings
        assert (found.values["phone"], found.marks) == ("+8613800138000", frozenset({"+8613800138000"}))
        assert found.values["recording_url"] == told.recording_url
        erase_person(session, person, findings)
    with database.write(ME) as session:
        receive_call_event(session, told)
    with database.read(ME) as session:
        emptied, kept = session.scalars(select(Call).order_by(Call.phone)).all()
        assert (emptied.phone, emptied.recording_url, emptied.duration_seconds) == ("", "", 61)
        assert kept.phone == "+8613800138001"
        assert session.scalars(select(CallEvent.call_id)).all() == [kept.id]
        assert list(personal.find(session, person)) == []
