"""Calls: dialled, told of, matched by number, given outcomes, and counted."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from chassis.callers import Reach, service_caller
from chassis.errors import Conflict, Denied, Exhausted, Invalid, NotFound, Unavailable
from chassis.field_rules import FieldEffect
from chassis.names import make_name, new_id
from chassis.testing import make_caller
from crm.common.v1.filter_pb2 import Filter
from leads.calls.events import EventState, Told
from leads.calls.facts import is_connected
from leads.calls.making import DialDraft, dialling, note_dialled, note_failed, request_call
from leads.calls.matching import identify
from leads.calls.outcomes import OutcomeDraft, Report, assign_call, set_outcome
from leads.calls.queries import NOBODY, Period, list_calls, list_statistics
from leads.calls.receiving import MAX_EVENTS, receive_call_event
from leads.calls.rules import RULES, CallRules, Outcome
from leads.company_rules import update_rules
from leads.model import Call, CallEvent, FollowUp
from leads.subjects import Subject, follow_merge
from leads.usecases.create_lead import LeadDraft, create_lead
from leads.usecases.learn_organisation import learn_user
from sqlalchemy import func, select

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
PHONE = "+8613800138000"
RINGING = Told("p1", EventState.RINGING, NOON, direction="INBOUND", phone="138 0013 8000")
ANSWERED = replace(RINGING, state=EventState.ANSWERED, time=NOON + timedelta(seconds=8), agent="801")
ENDED = replace(
    RINGING,
    state=EventState.ENDED,
    time=NOON + timedelta(seconds=98),
    agent="801",
    recording_url="https://pbx.example.com/p1.mp3",
)


@pytest.fixture
def somebody(database):
    """Who speaks at 801."""
    caller = make_caller(department_path="1/")
    with database.write(service_caller("leads")) as session:
        learn_user(session, caller.user_id, 1, None, "1/")
    with database.write(make_caller()) as session:
        update_rules(session, RULES, CallRules, "call.configure", {"extensions": (("801", caller.user_id),)}, "")
    return caller


@pytest.fixture
def lead(database):
    """Make a lead with a number."""

    def make(caller, name="华诚", phone=PHONE):
        with database.write(caller) as session:
            made = create_lead(session, LeadDraft({"company_name": name, "phones": [phone]}))
            return Subject("leads", made.id)

    return make


@pytest.fixture
def tell(database):
    """Deliver what the telephone system tells."""

    def deliver(*events):
        for event in events:
            with database.write(service_caller("leads")) as session:
                receive_call_event(session, event)

    return deliver


@pytest.fixture
def calls(database):
    """All calls there are."""

    def read():
        with database.read(service_caller("leads")) as session:
            found = session.scalars(select(Call).order_by(Call.start_time, Call.id)).all()
            session.expunge_all()
            return found

    return read


def told(facts, kind):
    return [data for name, data in facts() if name == kind]


@pytest.mark.parametrize("seed", range(6))
def test_events_in_any_order_and_repeated_are_one_call_with_the_right_lead(somebody, lead, tell, calls, facts, seed):
    subject = lead(make_caller())
    events = [RINGING, ANSWERED, ENDED] * 2
    random.Random(seed).shuffle(events)
    tell(*events)
    [call] = calls()
    assert (call.subject, call.assignee_id, call.phone) == (subject.name, somebody.user_id, PHONE)
    assert (call.state, call.duration_seconds, call.recording_url) == ("ENDED", 90, ENDED.recording_url)
    assert (call.start_time, call.direction) == (NOON, "INBOUND")
    last = max(told(facts, "CallEnded"), key=lambda each: each["version"])
    assert (last["duration_seconds"], last["connected"], last["subject"]) == (90, True, subject.name)


def test_many_telling_of_one_call_at_once_tell_of_one(database, somebody, lead, calls):
    lead(make_caller())

    def one(event):
        with database.write(service_caller("leads")) as session:
            receive_call_event(session, event)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, [RINGING, ANSWERED, ENDED] * 4))
    [call] = calls()
    assert (call.state, call.duration_seconds) == ("ENDED", 90)


def test_a_number_that_no_lead_has_is_asked_for_once_and_then_known(database, somebody, tell, calls, known, facts):
    tell(RINGING, ANSWERED, ENDED)
    [call] = calls()
    assert told(facts, "CallerUnknown") == [{"call": call.name, "phone": PHONE}]
    assert not told(facts, "CallEnded")
    customer = known(make_caller().user_id, "1/")
    with database.write(service_caller("leads")) as session:
        identify(session, call.id, [customer])
    assert calls()[0].subject == make_name("customers", customer)
    assert len(told(facts, "CallEnded")) == 1
    with database.write(service_caller("leads")) as session:
        identify(session, call.id, [new_id()])
    assert calls()[0].subject == make_name("customers", customer)


def test_of_several_who_have_the_number_it_is_the_one_of_who_speaks(database, somebody, tell, calls, known):
    tell(RINGING, ANSWERED, ENDED)
    other, mine = known(new_id(), "2/"), known(somebody.user_id, "1/")
    with database.write(service_caller("leads")) as session:
        identify(session, calls()[0].id, [other, mine])
    assert calls()[0].subject == make_name("customers", mine)


def test_of_several_others_somebody_says_which(database, somebody, lead, tell, calls, directory):
    one, two = lead(make_caller()), lead(make_caller(), "华诚二")
    tell(RINGING, ANSWERED, ENDED)
    [call] = calls()
    assert (call.subject, sorted(call.candidates)) == ("", sorted([one.name, two.name]))
    with database.write(somebody) as session:
        assign_call(session, call.id, two, directory)
    assert (calls()[0].subject, calls()[0].candidates) == (two.name, [])
    with database.write(somebody) as session, pytest.raises(Conflict) as caught:
        assign_call(session, call.id, one, directory)
    assert caught.value.reason == "CALL_ASSIGNED"


def test_a_hidden_number_is_nobodys_and_nobody_is_asked(somebody, tell, calls, facts):
    tell(replace(RINGING, phone="anonymous"))
    assert (calls()[0].phone, told(facts, "CallerUnknown")) == ("anonymous", [])


def dialled(database, caller, directory, draft, provider="http"):
    with database.write(caller) as session:
        return request_call(session, draft, provider, directory).id


def test_a_lead_is_dialled_and_what_becomes_of_it_is_the_same_call(
    database, somebody, lead, tell, calls, directory, clock
):
    subject = lead(somebody)
    call_id = dialled(database, somebody, directory, DialDraft(subject))
    with database.read(somebody) as session:
        wanted = dialling(session, session.get_one(Call, call_id))
    assert (wanted.reference, wanted.phone, wanted.agent) == (f"calls/{call_id}", PHONE, "801")
    mine = {"reference": wanted.reference, "direction": "", "phone": "", "agent": "999"}
    tell(*(replace(each, **mine) for each in (ENDED, RINGING, ANSWERED)))
    with database.write(somebody) as session:
        note_dialled(session, call_id, "http", "p1")
    [call] = calls()
    assert (call.id, call.provider_call_id, call.direction) == (call_id, "p1", "OUTBOUND")
    assert (call.assignee_id, call.state, call.duration_seconds) == (somebody.user_id, "ENDED", 90)


def test_what_was_told_before_the_telephone_system_answered_is_no_second_call(
    database, somebody, lead, tell, calls, directory
):
    call_id = dialled(database, somebody, directory, DialDraft(lead(somebody)))
    tell(replace(RINGING, direction="OUTBOUND"))
    assert len(calls()) == 2
    with database.write(somebody) as session:
        note_dialled(session, call_id, "http", "p1")
    tell(ANSWERED, replace(ENDED, reference=f"calls/{call_id}"))
    [call] = calls()
    assert (call.id, call.state) == (call_id, "ENDED")
    with database.read(somebody) as session:
        assert session.scalar(select(func.count()).select_from(CallEvent)) == 3


def test_calls_that_cannot_be_are_refused(database, somebody, lead, tell, directory, known):
    with pytest.raises(Invalid) as caught:
        dialled(database, somebody, directory, DialDraft(None))
    assert caught.value.reason == "REQUIRED"
    with pytest.raises(Invalid) as caught:
        dialled(database, somebody, directory, DialDraft(None, "12"))
    assert caught.value.reason == "INVALID_PHONE"
    narrow = make_caller("call.create", "lead.read", "customer.read", reach=Reach.SELF)
    with pytest.raises(NotFound):
        dialled(database, narrow, directory, DialDraft(lead(somebody)))
    for numbers in ([], ["138****8000"]):
        directory.phones = numbers
        with pytest.raises(Conflict) as caught:
            dialled(database, somebody, directory, DialDraft(Subject("customers", known(somebody.user_id, "1/"))))
        assert caught.value.reason == "NO_PHONE"
    with pytest.raises(Invalid) as caught:
        tell(replace(RINGING, reference=f"calls/{new_id()}"))
    assert caught.value.reason == "INVALID_CALL_EVENT"


def test_a_number_alone_is_dialled_and_known(database, somebody, lead, calls, directory):
    subject = lead(make_caller())
    dialled(database, somebody, directory, DialDraft(None, "138-0013-8000"))
    assert (calls()[0].subject, calls()[0].phone) == (subject.name, PHONE)


def test_a_number_that_somebody_types_does_not_tell_them_whose_it_is(database, somebody, lead, calls, directory):
    subject = lead(somebody)
    rep = make_caller("call.create", "lead.read", reach=Reach.SELF)
    blinkered = replace(somebody, field_rules={"lead": {"phones": FieldEffect.MASK}})
    for caller in (rep, make_caller("call.create"), blinkered):
        dialled(database, caller, directory, DialDraft(None, PHONE))
    assert [(call.subject, call.candidates) for call in calls()] == [("", [])] * 3
    with pytest.raises(Conflict) as caught:
        dialled(database, blinkered, directory, DialDraft(subject))
    assert caught.value.reason == "NO_PHONE"


def test_what_is_told_again_changes_nothing_however_much_was_told(tell, calls):
    events = [replace(RINGING, time=NOON + timedelta(seconds=second)) for second in range(MAX_EVENTS)]
    tell(*events, events[0])
    with pytest.raises(Exhausted):
        tell(ENDED)
    assert calls()[0].version == MAX_EVENTS


def test_one_that_is_refused_has_failed_and_one_that_may_be_asked_again_has_not(
    database, somebody, lead, calls, directory
):
    call_id = dialled(database, somebody, directory, DialDraft(lead(somebody)))
    with database.write(somebody) as session:
        note_failed(session, call_id, Unavailable("DIALLER_UNAVAILABLE", ""))
    assert calls()[0].state == "REQUESTED"
    with database.write(somebody) as session:
        note_failed(session, call_id, Conflict("DIALLER_REFUSED", ""))
    assert (calls()[0].state, calls()[0].failure_reason) == ("FAILED", "DIALLER_REFUSED")


def test_an_outcome_makes_a_follow_up_in_the_same_call(database, somebody, known, tell, calls, directory):
    customer = known(somebody.user_id, "1/")
    tell(RINGING, ANSWERED, ENDED)
    with database.write(service_caller("leads")) as session:
        identify(session, calls()[0].id, [customer])
    draft = OutcomeDraft("INTERESTED", "要报价", report=Report("张总要十台的报价"))
    with database.write(somebody) as session:
        call = set_outcome(session, calls()[0].id, draft, directory)
        follow_up = session.get_one(FollowUp, call.follow_up_id)
        assert (follow_up.method, follow_up.duration_seconds, follow_up.occur_time) == ("CALL", 90, NOON)
        assert "LONG_CALL" in follow_up.verdict_reasons
    with database.write(somebody) as session, pytest.raises(Conflict) as caught:
        set_outcome(session, calls()[0].id, draft, directory)
    assert caught.value.reason == "ALREADY_REPORTED"
    with database.write(make_caller()) as session, pytest.raises(Denied):
        set_outcome(session, calls()[0].id, OutcomeDraft("BUSY"), directory)


def test_without_a_telephone_system_people_say_how_long_they_spoke(database, somebody, lead, calls, directory, facts):
    call_id = dialled(database, somebody, directory, DialDraft(lead(somebody)), "local")
    with database.write(somebody) as session:
        set_outcome(session, call_id, OutcomeDraft("CALL_BACK", duration_seconds=75), directory)
    assert (calls()[0].state, calls()[0].duration_seconds) == ("ENDED", 75)
    with database.write(somebody) as session:
        set_outcome(session, call_id, OutcomeDraft("NO_ANSWER"), directory)
    assert calls()[0].state == "MISSED"
    assert [each["version"] for each in told(facts, "CallEnded")] == [2, 3]


def test_outcomes_are_the_companys(database, somebody, lead, directory):
    call_id = dialled(database, somebody, directory, DialDraft(lead(somebody)), "local")
    rules = {"outcomes": (Outcome("SOLD", "成交"), Outcome("BUSY", "占线", disabled=True))}
    with database.write(make_caller()) as session:
        update_rules(session, RULES, CallRules, "call.configure", rules, "v1")
    for outcome in ("BUSY", "INTERESTED", ""):
        with database.write(somebody) as session, pytest.raises(Invalid) as caught:
            set_outcome(session, call_id, OutcomeDraft(outcome), directory)
        assert caught.value.reason == "UNKNOWN_CALL_OUTCOME"
    for outcomes in ((), (Outcome("sold", "成交"),), (Outcome("A", ""),), (Outcome("A", "a"), Outcome("A", "b"))):
        with database.write(make_caller()) as session, pytest.raises(Invalid):
            update_rules(session, RULES, CallRules, "call.configure", {"outcomes": outcomes}, "")
    with database.write(make_caller(reach=Reach.SELF)) as session, pytest.raises(Denied):
        update_rules(session, RULES, CallRules, "call.configure", rules, "")


def test_statistics_are_the_sums_of_what_each_sees(database, somebody, tell, calls, directory, clock):
    chance, rep = random.Random(5), make_caller(department_path="2/")
    with database.write(service_caller("leads")) as session:
        learn_user(session, rep.user_id, 1, None, "2/")
    for number in range(40):
        begin = NOON + timedelta(minutes=chance.randrange(3 * 24 * 60))
        agent = chance.choice(("801", rep.subject, ""))
        first = replace(RINGING, call_id=f"p{number}", time=begin, agent=agent)
        tell(first)
        if chance.random() < 0.6:
            tell(
                replace(first, state=EventState.ENDED, time=begin + timedelta(minutes=1), duration_seconds=50 + number)
            )
    for call in calls():
        if call.assignee_id == somebody.user_id and chance.random() < 0.7:
            with database.write(somebody) as session:
                set_outcome(session, call.id, OutcomeDraft(chance.choice(("BUSY", "INTERESTED"))), directory)
    period = Period(NOON.date(), NOON.date() + timedelta(days=3))
    for viewer in (
        make_caller(),
        make_caller("call.read", reach=Reach.SELF, user_id=somebody.user_id),
        make_caller("call.read", reach=Reach.DEPARTMENT_TREE, department_path="2/"),
    ):
        with database.read(viewer) as session:
            rows = paged(lambda token: list_statistics(session, period, page_size=2, page_token=token))
            raw = paged(lambda token: list_calls(session, None, conditions=Filter(), page_size=7, page_token=token))
            shown = {(row.day, row.person): row for row in rows}
            groups = Counter((day_of(call), call.assignee_id or NOBODY) for call in raw)
            assert {key: row.calls for key, row in shown.items()} == groups
            for key, row in shown.items():
                mine = [call for call in raw if (day_of(call), call.assignee_id or NOBODY) == key]
                assert row.connected == sum(map(is_connected, mine))
                assert row.talk_seconds == sum(call.duration_seconds for call in mine)
                assert (row.outcomes or {}) == Counter(call.outcome for call in mine if call.outcome)


def day_of(call):
    return (call.start_time + timedelta(hours=8)).date()  # in Shanghai


def paged(fetch):
    rows, token = [], ""
    while True:
        page = fetch(token)
        rows += page.rows
        token = page.next_token
        if not token:
            return rows


def test_calls_follow_merges(database, somebody, known, tell, calls):
    one, other = known(somebody.user_id, "1/"), known(somebody.user_id, "1/")
    tell(RINGING)
    with database.write(service_caller("leads")) as session:
        identify(session, calls()[0].id, [other])
    with database.write(service_caller("leads")) as session:
        follow_merge(session, new_id(), [other], one)
    assert calls()[0].customer_id == one
