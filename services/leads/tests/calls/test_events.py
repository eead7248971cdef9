"""What a telephone system tells, in any order and however often, comes to one log."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from chassis.errors import Invalid
from hypothesis import given
from hypothesis import strategies as st
from leads.calls.events import EventState, Told, fold

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
RINGING = Told("p1", EventState.RINGING, NOON, direction="INBOUND", phone="13800138000")
ANSWERED = replace(RINGING, state=EventState.ANSWERED, time=NOON + timedelta(seconds=8), agent="801")
ENDED = replace(RINGING, state=EventState.ENDED, time=NOON + timedelta(seconds=98), agent="801")
MISSED = replace(RINGING, state=EventState.MISSED, time=NOON + timedelta(seconds=20), agent="802")

told = st.builds(
    Told,
    st.just("p1"),
    st.sampled_from(EventState),
    st.integers(0, 600).map(lambda seconds: NOON + timedelta(seconds=seconds)),
    direction=st.just("INBOUND"),
    phone=st.just("13800138000"),
    agent=st.sampled_from(("", "801", "802")),
    duration_seconds=st.none() | st.integers(0, 300),
    recording_url=st.sampled_from(("", "https://pbx.example.com/1.mp3")),
)


def test_a_call_goes_its_way():
    assert (fold([RINGING]).state, fold([RINGING, ANSWERED]).state) == ("RINGING", "ANSWERED")
    ended = fold([RINGING, ANSWERED, ENDED])
    assert (ended.state, ended.duration_seconds, ended.agent) == ("ENDED", 90, "801")
    assert (ended.start_time, ended.answer_time, ended.end_time) == (NOON, ANSWERED.time, ENDED.time)
    missed = fold([RINGING, MISSED])
    assert (missed.state, missed.duration_seconds, missed.end_time) == ("MISSED", 0, MISSED.time)


def test_a_group_of_telephones_misses_it_on_all_but_one():
    course = fold([RINGING, MISSED, ANSWERED, ENDED])
    assert (course.state, course.agent, course.end_time) == ("ENDED", "801", ENDED.time)


def test_nobody_has_spoken_in_a_call_that_ended_unanswered():
    assert fold([RINGING, ENDED]).state == "MISSED"


def test_a_duration_that_is_told_counts():
    assert fold([ANSWERED, replace(ENDED, duration_seconds=77)]).duration_seconds == 77
    alone = fold([replace(ENDED, duration_seconds=77)])
    assert (alone.state, alone.duration_seconds) == ("ENDED", 77)


@given(st.lists(told, min_size=1, max_size=8), st.randoms())
def test_neither_order_nor_repetition_changes_what_comes_of_it(events, random):
    shuffled = events * 2
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(events)


@given(st.lists(told, min_size=1, max_size=8))
def test_what_comes_of_it_is_a_call(events):
    course = fold(events)
    assert course.start_time == min(each.time for each in events)
    assert 0 <= course.duration_seconds <= 86_400
    spoke = any(each.state is EventState.ANSWERED or each.duration_seconds for each in events)
    assert (course.state in ("ENDED", "ANSWERED")) == spoke


@given(told)
def test_what_was_told_is_stored_and_read_back(event):
    again = Told.from_json(orjson.loads(orjson.dumps(event.to_json())))
    assert (again, again.digest) == (event, event.digest)


def body(**values):
    given = {"id": "p1", "state": "ENDED", "time": "2026-03-02T12:00:00+08:00", "direction": "INBOUND", "phone": "1"}
    return orjson.dumps(given | values)


def test_a_body_is_read():
    read = Told.read(body(durationSeconds=5, recordingUrl="https://pbx.example.com/1.mp3", agent="801", more=1))
    assert (read.time, read.duration_seconds, read.agent) == (NOON, 5, "801")
    assert Told.read(body(reference="calls/1", direction="", phone="")).reference == "calls/1"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": 5}, "id"),
        ({"id": "i" * 201}, "id"),
        ({"state": "HELD"}, "state"),
        ({"state": ["ENDED"]}, "state"),
        ({"time": "noon"}, "time"),
        ({"time": "2026-03-02T12:00:00"}, "time"),
        ({"time": "0001-01-01T00:00:00+08:00"}, "time"),
        ({"direction": "UP"}, "direction"),
        ({"phone": ""}, "phone"),
        ({"phone": "1\n2"}, "phone"),
        ({"durationSeconds": -1}, "durationSeconds"),
        ({"durationSeconds": True}, "durationSeconds"),
        ({"durationSeconds": 1.5}, "durationSeconds"),
        ({"recordingUrl": "javascript:alert(1)"}, "recordingUrl"),
        ({"recordingUrl": "http://pbx.example.com/1.mp3"}, "recordingUrl"),
        ({"recordingUrl": "https://[x"}, "recordingUrl"),
    ],
)
def test_what_is_no_event_is_refused_with_its_field(values, field):
    with pytest.raises(Invalid) as caught:
        Told.read(body(**values))
    assert (caught.value.reason, caught.value.field) == ("INVALID_CALL_EVENT", field)


@pytest.mark.parametrize("nonsense", [b"", b"{", b"[]", b"\xff"])
def test_what_is_no_object_is_refused(nonsense):
    with pytest.raises(Invalid):
        Told.read(nonsense)
