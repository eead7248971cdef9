"""From the outbox of one service to the effect in another: each once, in order, whatever fails."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from amqp import Message
from chassis.bus import dead_letters
from chassis.bus.consumer import Consumer
from chassis.bus.handlers import Subscription
from chassis.bus.relay import Relay
from chassis.bus.topology import Publisher, connected, dead_letter_queue, exchange_name
from chassis.callers import service_caller
from chassis.db import Database
from chassis.errors import NotFound, Unavailable
from chassis.names import new_id
from chassis.outbox import emit, emit_all
from chassis.testing import eventually
from chassis.testing.broker import running, unique
from sqlalchemy import text

ALWAYS = 1_000_000


@dataclass(frozen=True)
class Noted:
    SUBJECT: ClassVar[str] = "thing"

    thing: str
    number: int


@pytest.fixture(scope="module")
def urls(make_database):
    return make_database("source"), make_database("target")


class Pair:
    """Two services with databases of their own, and a handler in the second that notes what it gets."""

    def __init__(self, broker, urls):
        self.broker, self.source_url = broker, urls[0]
        self.source = Database(unique("source"), urls[0])
        self.target = Database(unique("target"), urls[1])
        self.failing = {}
        self.deadlocks = 0
        self.subscription = Subscription(
            self.source.service, ("Noted",), f"{self.target.service}.notes", self.note, (0.05, 0.1, 0.1)
        )
        with self.write(self.target) as session:
            session.execute(text("DROP TABLE IF EXISTS note"))
            session.execute(
                text(
                    "CREATE TABLE note (place bigserial, thing text, number int, xid xid8 DEFAULT pg_current_xact_id())"
                )
            )
        with self.write(self.source) as session:
            session.execute(text("TRUNCATE outbox"))

    def note(self, session, received):
        if self.deadlocks:
            self.deadlocks -= 1
            session.execute(text("DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$"))
        session.execute(text("INSERT INTO note (thing, number) VALUES (:thing, :number)"), dict(received.data))
        if self.failing.get(received.data["number"], 0):
            self.failing[received.data["number"]] -= 1
            raise ValueError("cannot be noted")

    def write(self, database):
        return database.write(service_caller(database.service))

    def announce(self, *events):
        with self.write(self.source) as session:
            emit_all(session, events)

    def notes(self):
        with self.write(self.target) as session:
            return [tuple(row) for row in session.execute(text("SELECT thing, number FROM note ORDER BY place"))]

    def pending(self):
        with self.write(self.source) as session:
            return session.scalar(text("SELECT count(*) FROM outbox WHERE publish_time IS NULL"))

    def relay(self):
        return Relay(self.broker, self.source_url, self.source.service)

    def consumer(self):
        return Consumer(self.broker, self.target, self.subscription)

    def dead(self):
        return dead_letters.list(self.broker, [self.subscription.queue])


@pytest.fixture
def pair(broker, urls, declare_queues):
    pair = Pair(broker, urls)
    declare_queues(pair.subscription)
    yield pair
    pair.source.dispose()
    pair.target.dispose()


def test_events_arrive_in_order(pair):
    events = [Noted(f"things/{number % 7}", number) for number in range(300)]
    with running(pair.relay(), pair.consumer()):
        pair.announce(*events[:100])
        for event in events[100:200]:
            pair.announce(event)
        pair.announce(*events[200:])
        eventually(lambda: len(pair.notes()) == 300)
        eventually(lambda: pair.pending() == 0)
    assert pair.notes() == [(event.thing, event.number) for event in events]


def test_an_event_that_commits_late_is_published_after_all(pair):
    with running(pair.relay(), pair.consumer()):
        with pair.write(pair.source) as slow:
            emit(slow, Noted("things/1", 1))
            pair.announce(Noted("things/2", 2))
            eventually(lambda: pair.notes() == [("things/2", 2)])
        eventually(lambda: pair.notes() == [("things/2", 2), ("things/1", 1)])


def test_an_event_delivered_twice_takes_effect_once(pair):
    with running(pair.relay(), pair.consumer()):
        pair.announce(*[Noted("things/1", number) for number in range(10)])
        eventually(lambda: len(pair.notes()) == 10)
        eventually(lambda: pair.pending() == 0)
        with pair.write(pair.source) as session:  # as a relay leaves it that dies before it marks
            session.execute(text("UPDATE outbox SET publish_time = NULL"))
        eventually(lambda: pair.pending() == 0)
        pair.announce(Noted("things/1", 10))
        eventually(lambda: len(pair.notes()) == 11)
    assert [number for _, number in pair.notes()] == list(range(11))


def test_what_failed_once_is_tried_again_and_not_overtaken_within_its_subject(pair):
    pair.failing[3] = ALWAYS
    pair.subscription = replace(pair.subscription, retry_seconds=(0.05,) * 600)
    with running(pair.relay(), pair.consumer()):
        pair.announce(*[Noted(f"things/{number % 2}", number) for number in range(10)])
        eventually(lambda: len(pair.notes()) == 6)
        pair.failing.clear()
        eventually(lambda: len(pair.notes()) == 10)
        assert not pair.dead()
    notes = pair.notes()
    assert [number for thing, number in notes if thing == "things/0"] == [0, 2, 4, 6, 8]
    assert [number for thing, number in notes if thing == "things/1"] == [1, 3, 5, 7, 9]
    assert notes.index(("things/0", 8)) < notes.index(("things/1", 3)), "other subjects go on"


def test_poison_is_set_aside_shown_and_replayed(pair):
    pair.failing[1] = ALWAYS
    with running(pair.relay(), pair.consumer()):
        pair.announce(*[Noted("things/1", number) for number in range(3)])
        eventually(lambda: len(pair.notes()) == 2)
        [letter] = eventually(pair.dead)
        assert (letter.attempts, letter.error) == (4, "ValueError: cannot be noted")
        assert (letter.queue, letter.subject) == (pair.subscription.queue, "things/1")
        queues = [pair.subscription.queue]
        assert dead_letters.show(pair.broker, queues, letter.event_id) == letter
        pair.failing.clear()
        assert dead_letters.replay(pair.broker, queues, letter.event_id) == 1
        eventually(lambda: len(pair.notes()) == 3)
    assert pair.notes() == [("things/1", 0), ("things/1", 2), ("things/1", 1)]
    assert not pair.dead()


def test_looking_at_dead_letters_takes_none_away_even_for_a_moment(pair):
    queue = pair.subscription.queue
    with connected(pair.broker) as connection:
        for body in ("1", "2", "3"):
            dead_letters.set_aside(connection, queue, body, attempts=1, error=ValueError("no"))
    for _ in range(40):
        assert [letter.body for letter in pair.dead()] == ["1", "2", "3"]


def test_replaying_what_took_effect_does_nothing(pair):
    pair.failing[1] = ALWAYS
    with running(pair.relay(), pair.consumer()):
        pair.announce(Noted("things/1", 1))
        [letter] = eventually(pair.dead)
        pair.failing.clear()
        with connected(pair.broker) as connection:  # a replay that died before it acknowledged
            connection.channel().basic_publish(Message(letter.body, delivery_mode=2), "", pair.subscription.queue)
        eventually(lambda: len(pair.notes()) == 1)
        assert dead_letters.replay(pair.broker, [pair.subscription.queue]) == 1
        pair.announce(Noted("things/1", 2))
        eventually(lambda: len(pair.notes()) == 2)
    assert pair.notes() == [("things/1", 1), ("things/1", 2)]


def test_an_unknown_dead_letter_is_not_found(pair):
    with pytest.raises(NotFound, match="set aside"):
        dead_letters.show(pair.broker, [pair.subscription.queue], new_id())
    with pytest.raises(NotFound, match="set aside"):
        dead_letters.replay(pair.broker, [pair.subscription.queue], new_id())
    assert dead_letters.replay(pair.broker, [pair.subscription.queue, "never.declared"]) == 0


def test_dead_letters_need_a_broker(pair):
    with pytest.raises(Unavailable, match="broker"):
        dead_letters.list("amqp://guest:guest@127.0.0.1:1/", [pair.subscription.queue])


def test_what_is_no_event_is_set_aside_at_once(pair):
    with connected(pair.broker) as connection:
        rubbish = Message(b"rubbish", delivery_mode=2)
        Publisher(connection).publish([(exchange_name(pair.source.service), "Noted", rubbish)])
    with running(pair.relay(), pair.consumer()):
        pair.announce(Noted("things/1", 1))
        eventually(lambda: len(pair.notes()) == 1)
    [letter] = pair.dead()
    assert (letter.event_id, letter.body) == (None, "rubbish")


def test_events_nobody_wants_are_published_all_the_same(pair):
    @dataclass(frozen=True)
    class Unheard:
        SUBJECT: ClassVar[str] = "thing"
        thing: str

    with running(pair.relay()):
        pair.announce(Unheard("things/1"), Noted("things/1", 1))
        eventually(lambda: pair.pending() == 0)


def test_events_that_have_come_share_a_transaction(pair):
    with running(pair.relay()):
        pair.announce(*[Noted(f"things/{number}", number) for number in range(100)])
        eventually(lambda: pair.pending() == 0)
    with running(pair.consumer()):
        eventually(lambda: len(pair.notes()) == 100)
    with pair.write(pair.target) as session:
        assert session.scalar(text("SELECT count(DISTINCT xid) FROM note")) < 20


def test_a_handler_may_take_several_at_once_and_poison_is_still_set_aside_alone(pair):
    taken = []

    def note_all(session, events):
        taken.append(len(events))
        for event in events:
            pair.note(session, event)

    pair.subscription = replace(pair.subscription, handle_all=note_all)
    pair.failing = {7: 99}
    with running(pair.relay()):
        pair.announce(*[Noted(f"things/{number}", number) for number in range(20)])
        eventually(lambda: pair.pending() == 0)
    with running(pair.consumer()):
        eventually(lambda: pair.dead() and len(pair.notes()) == 19)
    assert {number for _, number in pair.notes()} == set(range(20)) - {7}
    assert max(taken) > 1


def test_a_database_that_is_in_the_way_costs_no_attempt(pair):
    pair.deadlocks = 5  # more than there are retries
    with running(pair.relay(), pair.consumer()):
        pair.announce(*[Noted("things/1", number) for number in range(3)])
        eventually(lambda: len(pair.notes()) == 3)
    assert not pair.dead()


def test_two_consumers_keep_the_order_when_the_active_one_stops(pair):
    """Each stops after a while; the other goes on where it stood."""
    with running(pair.relay()):
        pair.announce(*[Noted(f"things/{number % 5}", number) for number in range(1500)])
        for done in (200, 500, 900, 1500):
            with running(pair.consumer(), pair.consumer()):
                eventually(lambda done=done: len(pair.notes()) >= done)
    assert not pair.dead()
    for thing in range(5):
        numbers = [number for name, number in pair.notes() if name == f"things/{thing}"]
        assert numbers == list(range(thing, 1500, 5))


def test_only_one_of_two_relays_publishes(pair):
    first, second = pair.relay(), pair.relay()
    with running(second, pair.consumer()):
        with running(first):
            eventually(lambda: first.is_leading or second.is_leading)
            pair.announce(*[Noted("things/1", number) for number in range(50)])
            eventually(lambda: len(pair.notes()) == 50)
            assert first.is_leading != second.is_leading
        pair.announce(Noted("things/1", 50))
        eventually(lambda: len(pair.notes()) == 51)
        assert second.is_leading
    assert [number for _, number in pair.notes()] == list(range(51))


def test_dead_letter_queue_is_named_after_the_queue():
    assert dead_letter_queue("customers.timeline") == "customers.timeline.dead"
