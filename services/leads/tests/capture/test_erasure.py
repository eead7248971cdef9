"""What was sent is personal data, and goes with the person."""

import pytest
from chassis.callers import service_caller
from chassis.personal_data import Person
from chassis.testing.personal_data import process, search_database
from leads import purging
from leads.capture import keeping
from leads.capture.correcting import correct_submission
from leads.capture.keeping import CONTENT_KEPT, REFUSE_KEPT, purge_captures
from leads.model import CaptureState, CaptureSubmission, Lead
from leads.personal_data import PERSONAL_DATA

from .test_capture import WANG

MAIL, PHONE = "wang@huacheng.cn", "+8613800138000"


@pytest.fixture
def erase(database):
    def run(person):
        with database.write(service_caller("leads")) as session:
            process(session, PERSONAL_DATA, "ERASE", person.merged(PERSONAL_DATA.describe(session, person)))
            session.flush()
            connection = session.connection().connection.driver_connection
            return {trace.where for trace in search_database(connection, [MAIL, PHONE, "13800138000"])}

    return run


def test_what_became_a_lead_goes_with_it_and_does_not_come_back(intake, erase):
    source, _ = intake.source()
    sent = {**WANG, "ref": "A-9"}
    key = intake.send(source, sent)
    [lead] = intake.all(Lead)
    assert erase(Person(records=frozenset({lead.name}))) == set()
    assert intake.told(key).payload is None
    again = intake.send(source, sent)
    assert intake.told(again).state == CaptureState.REPEATED
    assert len(intake.all(Lead)) == 1


def test_what_waits_goes_by_the_number_that_it_holds(intake, erase):
    source, _ = intake.source()
    waiting = intake.send(source, {**WANG, "name": ""})
    intake.do(correct_submission, waiting, {"remark": "待核实"})
    other = intake.send(source, {"name": "", "mobile": "13900139000"})
    assert erase(Person(emails=frozenset({MAIL}))) == set()
    told = intake.told(waiting)
    assert (told.state, told.payload, told.correction) == (CaptureState.DISCARDED, None, None)
    assert intake.told(other).state == CaptureState.REJECTED


def test_however_much_came_in_is_forgotten_in_time(intake, clock, monkeypatch):
    monkeypatch.setattr(keeping, "ROWS", 2)
    monkeypatch.setattr(purging, "ROWS", 2)
    source, _ = intake.source(honeypot="fax")
    for number in range(5):
        intake.send(source, {"name": "x", "fax": "1"})
        intake.send(source, {**WANG, "ref": f"A-{number}"})
    clock.advance(REFUSE_KEPT + CONTENT_KEPT)
    intake.do(purge_captures, clock())
    left = intake.all(CaptureSubmission)
    assert (len(left), {one.payload for one in left}) == (5, {None})


def test_what_is_needed_no_longer_is_forgotten_and_what_waits_stays(intake, clock):
    source, _ = intake.source(honeypot="fax")
    accepted, waiting = intake.send(source, WANG), intake.send(source, {"name": ""})
    intake.send(source, {"name": "x", "fax": "1"})
    clock.advance(REFUSE_KEPT + REFUSE_KEPT / 30)
    intake.do(purge_captures, clock())
    assert {one.id for one in intake.all(CaptureSubmission)} == {accepted, waiting}
    clock.advance(CONTENT_KEPT)
    intake.do(purge_captures, clock())
    assert intake.told(accepted).payload is None
    assert intake.told(waiting).payload is not None
