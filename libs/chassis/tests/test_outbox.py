"""Events are written with their effects."""

import base64
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import psycopg
import pytest
from chassis import inbox, outbox
from chassis.callers import service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.names import new_id
from chassis.notifications import notify
from chassis.outbox import OutboxEvent, emit, emit_all
from chassis.telemetry import span_from
from crm.common.v1 import notification_pb2
from crm.leads.v1 import events_pb2
from google.protobuf.json_format import ParseDict
from sqlalchemy import func, select, text

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CALLER = service_caller("leads")


@dataclass(frozen=True)
class FollowUpLogged:
    SUBJECT: ClassVar[str] = "customer"

    follow_up: str
    customer: str
    summary: str = ""
    occur_time: datetime | None = None


@dataclass(frozen=True)
class Measured:
    SUBJECT: ClassVar[str] = "thing"

    thing: str
    value: object


@pytest.fixture(scope="module")
def url(make_database):
    return make_database("outbox")


@pytest.fixture
def database(url):
    database = Database("leads", url, clock=FixedClock(NOON))
    with database.write(CALLER) as session:
        session.execute(text("TRUNCATE outbox, inbox_claim"))
    yield database
    database.dispose()


class BrokenOff(Exception):
    """What happens to an effect that fails."""


@contextmanager
def broken_off(transaction):
    """A transaction that fails at its end."""
    with suppress(BrokenOff), transaction as session:
        yield session
        raise BrokenOff


def rows(database):
    with database.read(CALLER) as session:
        return session.scalars(select(OutboxEvent).order_by(OutboxEvent.position)).all()


def test_event_is_written_with_what_a_consumer_needs(database):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with span_from(parent, "test"), database.write(CALLER) as session:
        emit(session, FollowUpLogged("followUps/1", "customers/1", "said „yes“", NOON))
    [row] = rows(database)
    assert row.type == "crm.leads.v1.FollowUpLogged"
    assert (row.subject, row.time, row.publish_time) == ("customers/1", NOON, None)
    assert row.traceparent[3:35] == parent[3:35]
    message = ParseDict(row.data, events_pb2.FollowUpLogged())
    assert message.occur_time.ToDatetime(UTC) == NOON
    assert message.summary == "said „yes“"


def test_event_of_a_failed_effect_is_not_there(database):
    with broken_off(database.write(CALLER)) as session:
        emit(session, FollowUpLogged("followUps/1", "customers/1"))
    assert not rows(database)


def test_event_of_a_savepoint_that_is_rolled_back_is_not_there(database):
    with database.write(CALLER) as session:
        emit(session, FollowUpLogged("followUps/1", "customers/1"))
        with broken_off(session.begin_nested()):
            emit(session, FollowUpLogged("followUps/2", "customers/1"))
    assert [row.data["follow_up"] for row in rows(database)] == ["followUps/1"]


def test_many_events_keep_the_order_given(database):
    with database.write(CALLER) as session:
        emit_all(session, [FollowUpLogged(f"followUps/{number}", "customers/1") for number in range(2000)])
        emit_all(session, [])
    assert [row.data["follow_up"] for row in rows(database)] == [f"followUps/{number}" for number in range(2000)]
    assert len({row.event_id for row in rows(database)}) == 2000


def test_committed_events_are_announced_once_and_rolled_back_ones_never(make_database):
    url = make_database("announced")  # where nothing is left to be announced of what was committed before
    database = Database("leads", url)
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute(f"LISTEN {outbox.CHANNEL}")
        with broken_off(database.write(CALLER)) as session:
            emit(session, FollowUpLogged("followUps/1", "customers/1"))
        with database.write(CALLER) as session:
            emit(session, FollowUpLogged("followUps/1", "customers/1"))
            emit(session, FollowUpLogged("followUps/2", "customers/1"))
        assert len([*listener.notifies(timeout=60, stop_after=1), *listener.notifies(timeout=0.3)]) == 1
    database.dispose()


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (timedelta(seconds=90), "90.000000s"),
        (Decimal("1.20"), "1.20"),
        (b"\0\xff", base64.b64encode(b"\0\xff").decode()),
        (frozenset("ba"), ["a", "b"]),
        (None, None),
        ([Measured("inner", 1)], [{"thing": "inner", "value": 1}]),
    ],
)
def test_values_take_the_form_protobuf_gives_them(database, value, form):
    with database.write(CALLER) as session:
        emit(session, Measured("things/1", value))
    assert rows(database)[0].data == {"thing": "things/1", "value": form}


def test_value_without_a_form_is_refused(database):
    with pytest.raises(TypeError), database.write(CALLER) as session:
        emit(session, Measured("things/1", object()))


def test_notification_is_an_event_for_its_recipient(database):
    user = new_id()
    with database.write(CALLER) as session:
        notify(session, user, "FOLLOW_UP_DUE", "customers/1", {"customer": "华为", "days": 3})
    [row] = rows(database)
    message = ParseDict(row.data, notification_pb2.NotificationRaised())
    assert (row.type, row.subject) == ("crm.common.v1.NotificationRaised", f"users/{user}")
    assert (message.kind, message.params["customer"], message.params["days"]) == ("FOLLOW_UP_DUE", "华为", 3)


def test_only_events_published_long_ago_are_purged(database):
    with database.write(CALLER) as session:
        emit_all(session, [FollowUpLogged(f"followUps/{number}", "customers/1") for number in range(3)])
        session.execute(
            text("UPDATE outbox SET publish_time = now() - interval '8 days' WHERE data->>'follow_up' = 'followUps/0'")
        )
        session.execute(text("UPDATE outbox SET publish_time = now() WHERE data->>'follow_up' = 'followUps/1'"))
    with database.write(CALLER) as session:
        assert outbox.purge(session) == 1
        assert outbox.purge(session) == 0
    assert [row.data["follow_up"] for row in rows(database)] == ["followUps/1", "followUps/2"]


def test_an_event_is_claimed_once_per_handler(database):
    first, second = new_id(), new_id()
    with database.write(CALLER) as session:
        assert inbox.claim(session, "a.b", [first, first]) == {first}
        assert inbox.claim(session, "a.b", [first, second]) == {second}
        assert inbox.claim(session, "a.c", [first]) == {first}


def test_a_claim_vanishes_with_its_effect(database):
    event = new_id()
    with broken_off(database.write(CALLER)) as session:
        inbox.claim(session, "a.b", [event])
    with database.write(CALLER) as session:
        assert inbox.claim(session, "a.b", [event]) == {event}


def test_old_claims_are_purged(database):
    with database.write(CALLER) as session:
        inbox.claim(session, "a.b", [new_id(), new_id()])
        session.execute(text("UPDATE inbox_claim SET claim_time = now() - interval '15 days'"))
        inbox.claim(session, "a.b", [new_id()])
    with database.write(CALLER) as session:
        assert inbox.purge(session) == 2
        assert session.scalar(select(func.count()).select_from(inbox.InboxClaim)) == 1
