"""What is committed is told to who listens: soon, once for all that comes together, and never before."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from chassis import announcing
from chassis.callers import service_caller
from chassis.db import Database
from chassis.testing import eventually
from sqlalchemy import text

CHANNEL = "news"


@pytest.fixture
def url(make_database) -> str:
    return make_database("probe")


@pytest.fixture
def database(url) -> Iterator[Database]:
    made = Database("probe", url)
    yield made
    made.dispose()


@contextmanager
def listening(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        yield listener


def write(database: Database) -> None:
    with database.write(service_caller("probe")) as session:
        session.announce(CHANNEL)


def test_what_is_committed_is_told_and_nothing_before(database, url):
    with listening(url) as listener:
        with database.write(service_caller("probe")) as session:
            session.announce(CHANNEL)
            assert not list(listener.notifies(timeout=0.2))
        assert [told.channel for told in listener.notifies(timeout=60, stop_after=1)] == [CHANNEL]


def test_who_writes_much_is_told_of_together(database, url, monkeypatch):
    monkeypatch.setattr(announcing, "ROUND_SECONDS", 0.5)
    with listening(url) as listener:
        for _ in range(20):
            write(database)
        told = [*listener.notifies(timeout=60, stop_after=1), *listener.notifies(timeout=1.5)]
    assert 1 <= len(told) < 20


@pytest.mark.parametrize(
    ("url_meanwhile", "logged"),
    [
        ("postgresql://127.0.0.1:1/", "what was committed is told late"),  # a database that is away
        (None, "what was committed could not be told"),  # a defect: nothing that could be asked for a connection
    ],
)
def test_what_cannot_be_told_costs_no_later_announcement(database, url, caplog, url_meanwhile, logged):
    write(database)
    with listening(url) as listener:
        announcer, engine = database.announcer, database.announcer._engine
        announcer._engine = url_meanwhile and Database("away", url_meanwhile).pool_engine
        write(database)
        eventually(lambda: logged in caplog.messages)
        announcer._engine = engine
        list(listener.notifies(timeout=0.1))
        write(database)
        assert list(listener.notifies(timeout=60, stop_after=1))


def test_nothing_is_told_after_the_end(url):
    database = Database("probe", url)
    write(database)
    database.dispose()
    eventually(lambda: not database.announcer._thread.is_alive())
    with listening(url) as listener:
        database.announcer.tell([CHANNEL])
        assert not list(listener.notifies(timeout=0.25))


def test_a_connection_that_is_lost_while_telling_is_not_used_again(database, url, caplog):
    write(database)
    with psycopg.connect(url, autocommit=True) as admin:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        eventually(lambda: database.pool_engine.pool.checkedout() == 0)
        admin.execute(f"SELECT pg_terminate_backend(pid) {others} AND backend_type = 'client backend'")
    database.announcer.tell([CHANNEL])
    eventually(lambda: "what was committed is told late" in caplog.messages)
    eventually(lambda: database.pool_engine.pool.checkedout() == 0)
    with database.write(service_caller("probe")) as session:
        assert session.scalar(text("SELECT 1")) == 1
