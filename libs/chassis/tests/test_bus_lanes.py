"""Which events a consumer may handle next, and in which runs the relay publishes."""

import random
from datetime import UTC, datetime

import pytest
from chassis.bus.envelope import Received, open_envelope, seal_envelope
from chassis.bus.lanes import Delivery, Lanes
from chassis.bus.relay import Row, runs
from chassis.names import new_id
from crm.leads.v1 import events_pb2

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_delivery(tag, subject):
    return Delivery(tag, b"", Received(new_id(), "crm.leads.v1.Noted", "leads", subject, NOON, "", {}))


def filled(*subjects):
    lanes = Lanes()
    for tag, subject in enumerate(subjects):
        lanes.add(a_delivery(tag, subject))
    return lanes


def tags(batch):
    return [delivery.tag for delivery in batch]


def test_deliveries_are_handed_out_in_the_order_they_came():
    lanes = filled("a", "b", "a", "c")
    assert tags(lanes.take(3)) == [0, 1, 2]
    assert tags(lanes.take(3)) == [3]
    assert not lanes


def test_a_batch_put_back_is_handed_out_again_first():
    lanes = filled("a", "b", "c")
    lanes.put_back(lanes.take(2))
    assert tags(lanes.take(9)) == [0, 1, 2]


def test_a_delivery_that_must_be_alone_is():
    lanes = filled("a", "b", "c", "d")
    batch = lanes.take(4)
    batch[1].alone = True
    lanes.put_back(batch)
    assert [tags(lanes.take(9)) for _ in range(3)] == [[0], [1], [2, 3]]


def test_a_parked_subject_waits_and_others_go_on():
    lanes = filled("a", "b", "a", "c")
    [failed] = lanes.take(1)
    lanes.park(failed, due=10.0)
    lanes.add(a_delivery(4, "a"))
    lanes.add(a_delivery(5, "b"))
    assert tags(lanes.take(9)) == [1, 3, 5]
    assert lanes.next_due() == 10.0
    lanes.release(9.9)
    assert not lanes
    lanes.release(10.0)
    assert tags(lanes.take(9)) == [0, 2, 4]
    assert lanes.next_due() is None


def test_events_without_a_subject_do_not_wait_for_each_other():
    lanes = filled("", "")
    [failed] = lanes.take(1)
    lanes.park(failed, due=10.0)
    assert tags(lanes.take(9)) == [1]


@pytest.mark.parametrize("seed", range(20))
def test_order_per_subject_holds_whatever_fails(seed):
    chance = random.Random(seed)
    lanes, settled, added, now = Lanes(), {}, 0, 0.0
    while added < 200 or lanes or lanes.next_due() is not None:
        for _ in range(chance.randrange(6)):
            if added < 200:
                lanes.add(a_delivery(added, chance.choice("abcd")))
                added += 1
        now += 1
        lanes.release(now)
        batch = lanes.take(chance.randrange(1, 5))
        if len(batch) > 1 and chance.random() < 0.3:
            for delivery in batch:
                delivery.alone = True
            lanes.put_back(batch)
        elif len(batch) == 1 and chance.random() < 0.5:
            lanes.park(batch[0], now + chance.randrange(5))
        else:
            for delivery in batch:
                settled.setdefault(delivery.event.subject, []).append(delivery.tag)
    assert sum(map(len, settled.values())) == 200
    assert all(order == sorted(order) for order in settled.values())


def test_a_run_holds_no_subject_twice_and_keeps_the_order():
    rows = [Row(place, new_id(), "crm.a.v1.Noted", subject, NOON, "{}", "") for place, subject in enumerate("abcab b")]
    rows = [row._replace(subject=row.subject.strip()) for row in rows]
    assert [[row.position for row in run] for run in runs(rows)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert not list(runs([]))


def test_an_envelope_survives_the_journey():
    event_id = new_id()
    body = seal_envelope(
        event_id=event_id,
        source="leads",
        event_type="crm.leads.v1.FollowUpLogged",
        subject="customers/1",
        time=NOON,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        data='{"customer": "customers/1", "summary": "好", "from_the_future": 1}',
    )
    received = open_envelope(body)
    assert (received.id, received.name, received.time) == (event_id, "FollowUpLogged", NOON)
    assert received.trace_id == "0af7651916cd43dd8448eb211c80319c"
    message = received.message(events_pb2.FollowUpLogged)
    assert (message.customer, message.summary) == ("customers/1", "好")
    assert b'"specversion":"1.0"' in body
    assert b'"dataschema":"crm.leads.v1"' in body


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"id": 3}', b"null"])
def test_what_is_no_envelope_is_said_to_be_none(body):
    with pytest.raises(ValueError):  # noqa: PT011 - of whichever parser
        open_envelope(body)
