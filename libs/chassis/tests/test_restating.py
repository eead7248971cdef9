"""What was told before a service listened is asked for once, and told again page by page."""

from datetime import UTC, datetime

import pytest
from amqp import Message
from chassis import restating
from chassis.bus.handlers import SUITE, Received, Subscription
from chassis.bus.topology import Publisher, connected, declare_exchange, exchange_name
from chassis.callers import service_caller
from chassis.db import Database
from chassis.names import new_id
from chassis.outbox import emit
from chassis.restating import Restatement, StateRequested, by_id
from chassis.sharing import RecordShare, ShareLevel, grant
from chassis.testing import eventually
from chassis.testing.broker import unique
from sqlalchemy import delete, text
from sqlalchemy.exc import OperationalError

ME = service_caller("shop")


@pytest.fixture(scope="module")
def module_database(make_database):
    database = Database("shop", make_database("shop"))
    yield database
    database.dispose()


@pytest.fixture
def database(module_database):
    with module_database.engine.begin() as connection:
        connection.execute(text("TRUNCATE outbox, record_share, state_request RESTART IDENTITY"))
    return module_database


@pytest.fixture
def records(database):
    """Seven records, by their ids."""
    with database.write(ME) as session:
        shares = [
            grant(session, "thing", new_id(), f"users/{new_id()}", ShareLevel.READ_ONLY, None)[0] for _ in range(7)
        ]
    return sorted(str(share.id) for share in shares)


def told_again(session, rows):
    return [StateRequested("told", [str(row.id)]) for row in rows]


RESTATEMENTS = (
    Restatement("ThingChanged", by_id(RecordShare, told_again, RecordShare.entity == "thing")),
    Restatement("PartChanged", by_id(RecordShare, told_again, RecordShare.entity == "part")),
    Restatement("ShopChanged", lambda session, after: ([StateRequested("told", ["the shop"])], "")),
)


def subscription(queue, *events, source="shop", keeps_state=True):
    return Subscription(source, events, queue, lambda session, received: None, keeps_state=keeps_state)


def written(database, after=0):
    """The events in the outbox: position, source and data."""
    with database.read(ME) as session:
        rows = session.execute(
            text("SELECT position, data FROM outbox WHERE position > :after ORDER BY 1"), {"after": after}
        )
        return [(row.position, row.data) for row in rows]


def answer(database, monkeypatch):
    """Handle the requests in the outbox, and those that follow from them, each once. Returns what was told."""
    monkeypatch.setattr(restating, "PAGE", 3)
    handler = restating.subscription("shop", RESTATEMENTS)
    assert (handler.source, handler.events) == (SUITE, ("StateRequested",))
    told, done = [], 0
    while events := written(database, done):
        for position, data in events:
            done = position
            if data["source"] == "told":
                told.extend(data["events"])
                continue
            event = Received(new_id(), "crm.common.v1.StateRequested", "leads", "shop", datetime.now(UTC), "", data)
            with database.write(ME) as session:
                handler.handle(session, event)
    return told


def ask(database, *events, source="shop"):
    with database.write(ME) as session:
        emit(session, StateRequested(source, events))


def test_all_records_are_told_again_kind_by_kind(database, records, monkeypatch):
    ask(database, "ShopChanged", "ThingChanged", "PartChanged", "WindowBroken")
    assert answer(database, monkeypatch) == [*records, "the shop"]


def test_only_what_is_asked_for_is_told(database, records, monkeypatch):
    ask(database, "ShopChanged")
    ask(database, "WindowBroken")
    ask(database, "ThingChanged", source="another")
    assert answer(database, monkeypatch) == ["the shop"]


def test_each_event_of_a_handler_is_asked_for_once(database):
    def requests(*subscriptions, call=restating.request_state):
        with database.write(service_caller("leads")) as session:
            session.service = "leads"
            return [(each.source, list(each.events)) for each in call(session, subscriptions)]

    things, news = subscription("leads.things", "ThingChanged"), subscription("leads.news", "Said", keeps_state=False)
    own = subscription("leads.own", "LeadChanged", source="leads")
    assert requests(things, news, own) == [("shop", ["ThingChanged"])]
    assert requests(things, news, own) == []
    more = subscription("leads.things", "ThingChanged", "PartChanged")
    people = subscription("leads.people", "UserChanged", source="identity")
    assert requests(more, people) == [("identity", ["UserChanged"]), ("shop", ["PartChanged"])]
    again = requests(more, people, call=restating.request_all_again)
    assert again == [("identity", ["UserChanged"]), ("shop", ["PartChanged", "ThingChanged"])]
    assert len(written(database)) == 5


def test_what_is_asked_of_a_service_that_has_never_run_waits_for_it(broker, declare_queues):
    source, asking = unique("shop"), unique("leads")
    declare_queues(subscription(f"{asking}.things", "ThingChanged", source=source))
    with connected(broker) as connection:
        channel = connection.channel()
        declare_exchange(channel, asking)
        Publisher(connection).publish([(exchange_name(asking), "StateRequested", Message("asked"))])
        eventually(lambda: channel.queue_declare(f"{source}.restating", passive=True).message_count == 1)
        channel.queue_delete(f"{source}.restating")
        channel.exchange_delete(exchange_name(asking))


def test_what_is_being_told_again_cannot_be_deleted_before_it_is_told(database, records):
    with database.write(ME) as telling:
        assert len(RESTATEMENTS[0].page(telling, "")[0]) == 7
        with database.write(ME) as deleting:
            deleting.execute(text("SET LOCAL lock_timeout = '50ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                deleting.execute(delete(RecordShare))
            deleting.rollback()
        with database.write(ME) as changing:
            changing.execute(text("SET LOCAL lock_timeout = '50ms'"))
            changing.execute(text("UPDATE record_share SET version = version + 1"))
