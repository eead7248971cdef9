"""What was written of somebody before the erasure comes late, and tells nothing any more."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import ClassVar

import pytest
from chassis.bus import dead_letters
from chassis.bus.consumer import Consumer
from chassis.bus.handlers import Received, Subscription
from chassis.bus.handling import handle
from chassis.bus.housekeeping import Housekeeping
from chassis.bus.lanes import Delivery
from chassis.bus.relay import Relay
from chassis.callers import service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.encryption import DataKeys, new_key
from chassis.names import new_id
from chassis.outbox import emit
from chassis.personal_data import Person, echoes, purge
from chassis.personal_data.redaction import KnownPlaces
from chassis.testing import eventually
from chassis.testing.broker import running, unique
from chassis.testing.databases import waits
from sqlalchemy import text

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PERSON = Person(
    records=frozenset({"contacts/1"}),
    places=frozenset({"customers/1"}),
    names=frozenset({"欧阳娜"}),
    phones=frozenset({"+8613800138000"}),
)


@dataclass(frozen=True)
class Noted:
    SUBJECT: ClassVar[str] = "thing"

    thing: str
    text: str


@pytest.fixture(scope="module")
def url(make_database):
    return make_database("echoes")


class Play:
    """A service that handles its own events, or refuses to."""

    def __init__(self, broker, url):
        self.broker, self.url, self.clock = broker, url, FixedClock(NOON)
        keys = DataKeys.parse(f"test:{new_key()}")
        self.database = Database(unique("echoes"), url, clock=self.clock, data_keys=keys)
        self.seen, self.failing = [], False
        queue = f"{self.database.service}.notes"
        self.subscription = Subscription(self.database.service, ("Noted",), queue, self.handle, ())

    def handle(self, session, received):
        if self.failing:
            raise ValueError(f"cannot note {received.data['text']}")
        self.seen.append(received.data["text"])

    def write(self):
        return self.database.write(service_caller(self.database.service))

    def say(self, *noted):
        with self.write() as session:
            for each in noted:
                emit(session, each)

    def erase(self):
        with self.write() as session:
            echoes.remember(session, new_id(), PERSON)

    def dead(self):
        return dead_letters.list(self.broker, [self.subscription.queue])


@pytest.fixture
def play(broker, url, declare_queues):
    made = Play(broker, url)
    declare_queues(made.subscription)
    with made.write() as session:
        session.execute(text("TRUNCATE outbox, erased_person"))
    yield made
    made.database.dispose()


def working(play):
    relay = Relay(play.broker, play.url, play.database.service)
    return running(Consumer(play.broker, play.database, play.subscription), relay)


BEFORE = (Noted("customers/1", "欧阳娜 138-0013-8000"), Noted("customers/2", "欧阳娜 13800138000"))


def test_events_of_before_reach_handlers_without_the_person(play):
    play.say(*BEFORE)
    play.clock.set(NOON + timedelta(minutes=1))
    play.erase()
    play.clock.set(NOON + timedelta(days=1))
    play.say(Noted("customers/1", "欧阳娜又来了 13800138000"))
    with working(play):
        eventually(lambda: len(play.seen) == 3)
    # Elsewhere a name tells nobody, and who comes back after the erasure is somebody new.
    assert sorted(play.seen) == sorted(["「已删除」 「已删除」", "欧阳娜 「已删除」", "欧阳娜又来了 13800138000"])


def delivery(play, noted):
    """An event of now, as the broker delivers it."""
    data = {"thing": noted.thing, "text": noted.text}
    event = Received(new_id(), "crm.things.v1.Noted", play.database.service, noted.thing, play.clock(), "", data)
    return Delivery(1, b"", event)


def test_a_handler_at_work_when_an_erasure_begins_brings_nothing_back(play):
    """The handler has seen what is told of the person, and writes it down only when the erasure waits."""
    with play.write() as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS noted (text text)"))
    seen, going_on = Event(), Event()

    def note(session, received):
        seen.set()
        assert going_on.wait(60)
        session.execute(text("INSERT INTO noted VALUES (:text)"), {"text": received.data["text"]})

    def erase(session, received):
        echoes.remember(session, new_id(), PERSON)
        session.execute(text("DELETE FROM noted WHERE text LIKE '%13800138000%'"))

    noting = replace(play.subscription, handle=note)
    erasing = replace(play.subscription, handle=erase, queue=f"{play.subscription.queue}.erase", erases=True)

    def erasure_waits():
        with play.database.read(service_caller("x")) as session:
            return "advisory" in waits(session)

    late = delivery(play, BEFORE[1])
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(handle, play.database, noting, [delivery(play, BEFORE[1])])
        assert seen.wait(60)
        second = threads.submit(handle, play.database, erasing, [delivery(play, Noted("requests/1", ""))])
        eventually(erasure_waits)
        assert not second.done()
        going_on.set()
        first.result(60)
        second.result(60)
    handle(play.database, noting, [late])
    with play.database.read(service_caller("x")) as session:
        assert list(session.scalars(text("SELECT text FROM noted"))) == ["欧阳娜 「已删除」"]


def test_who_was_erased_long_before_is_not_looked_at(play):
    play.erase()
    with play.write() as session:
        assert len(echoes.current(session, NOON)) == 1
        assert len(echoes.current(session, NOON + echoes.SLACK)) == 1
        assert echoes.current(session, NOON + echoes.SLACK + timedelta(seconds=1)) == []


def test_dead_letters_lose_the_person_where_they_are(play):
    play.failing = True
    play.say(*BEFORE, Noted("customers/3", "王芳 13900139000"))
    with working(play):
        eventually(lambda: len(play.dead()) == 3)
    play.erase()
    chores = Housekeeping(play.database, play.broker, [play.subscription.queue])
    with play.write() as session:
        chores.sweep_dead_letters(session)
    told = "".join(letter.body + letter.error for letter in play.dead())
    assert "13800138000" not in told
    assert "138-0013-8000" not in told
    assert "王芳 13900139000" in told
    assert all("欧阳娜" not in letter.error for letter in play.dead())
    assert {letter.attempts for letter in play.dead()} == {1}
    with play.write() as session:
        assert echoes.take_unswept(session) == []
    play.failing = False
    with working(play):
        assert dead_letters.replay(play.broker, [play.subscription.queue]) == 3
        eventually(lambda: len(play.seen) == 3)
    assert sorted(play.seen) == sorted(["「已删除」 「已删除」", "欧阳娜 「已删除」", "王芳 13900139000"])


def test_whom_was_erased_is_forgotten_when_nothing_comes_any_more(play):
    play.erase()
    play.clock.set(NOON + echoes.KEPT + timedelta(seconds=1))
    with play.write() as session:
        purge(session)
        assert session.query(echoes.ErasedPerson).count() == 0


def test_in_an_event_about_many_a_name_tells_the_person_only_where_the_person_is_known():
    told = [
        {"customer": f"customers/{number}", "display_name": "欧阳娜", "phones": ["13800138000"]} for number in (1, 2)
    ]
    redacted = KnownPlaces(PERSON, PERSON.places).value({"count": 2, "customers": told})
    assert redacted["customers"] == [
        {"customer": "customers/1", "display_name": "「已删除」", "phones": ["「已删除」"]},
        {"customer": "customers/2", "display_name": "欧阳娜", "phones": ["「已删除」"]},
    ]
