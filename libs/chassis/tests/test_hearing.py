"""What is told on a channel ends a pause, and a lost connection is made anew."""

import threading

import psycopg
import pytest
from chassis.hearing import Hearing
from chassis.testing import eventually

LONG = 600.0


@pytest.fixture
def url(make_database):
    return make_database("probe")


@pytest.fixture
def hearing(url):
    hearing = Hearing(url, "probe")
    hearing.wait(LONG)  # who begins to listen looks once, for what was told before
    yield hearing
    hearing.close()


def run(url, statement):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def test_what_is_told_ends_the_pause(url, hearing):
    waiting = threading.Thread(target=hearing.wait, args=[LONG], daemon=True)
    waiting.start()
    run(url, "NOTIFY other")
    waiting.join(0.1)
    assert waiting.is_alive()
    run(url, "NOTIFY probe")
    eventually(lambda: not waiting.is_alive())


def test_what_was_told_while_nobody_waited_is_heard(url, hearing):
    run(url, "NOTIFY probe")
    hearing.wait(LONG)


def test_without_a_word_the_pause_ends_by_itself(hearing):
    hearing.wait(0.01)


def test_a_lost_connection_is_told_and_made_anew(url, hearing):
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    run(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    with pytest.raises(psycopg.OperationalError):
        hearing.wait(LONG)
    hearing.wait(LONG)  # opens another one
    run(url, "NOTIFY probe")
    hearing.wait(LONG)
