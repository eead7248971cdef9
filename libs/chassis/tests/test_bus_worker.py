"""The `work` process: it starts, says how it is, and finishes what it is doing when it is told to stop."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from chassis.bus.launch import command
from chassis.callers import service_caller
from chassis.db import Database
from chassis.outbox import emit
from chassis.telemetry import span_from
from chassis.testing import eventually
from chassis.testing.broker import unique
from embedded.ports import free_port
from sqlalchemy import text

CALLER = service_caller("worker")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass(frozen=True)
class Noted:
    SUBJECT: ClassVar[str] = "thing"

    thing: str
    number: float = 0.0


class Worker:
    """A `work` process."""

    def __init__(self, url, amqp_url, queue, log):
        self.port = free_port()
        self.log = log
        environment = os.environ | {
            "PYTHONPATH": str(Path(__file__).parent),
            "AMQP_URL": amqp_url,
            "DATABASE_URL_WORKER": url,
            "MONITOR_LISTEN": f"127.0.0.1:{self.port}",
            "TEST_QUEUE": queue,
            "LOG_FORMAT": "json",
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen(command(["worker_service:SERVICE"]), env=environment, stderr=output)

    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def lines(self, message):
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line["message"] == message]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def url(make_database):
    return make_database("worker")


@pytest.fixture
def database(url):
    database = Database("worker", url)
    with database.write(CALLER) as session:
        session.execute(text("TRUNCATE outbox, inbox_claim, timer_run"))
        session.execute(text("DROP TABLE IF EXISTS note"))
        session.execute(text("CREATE TABLE note (subject text, trace text)"))
    yield database
    database.dispose()


@pytest.fixture
def start(url, broker, tmp_path):
    workers = []

    def start(amqp_url=broker, queue=""):
        workers.append(Worker(url, amqp_url, queue or unique("worker.notes"), tmp_path / f"{len(workers)}.log"))
        return workers[-1]

    yield start
    for worker in workers:
        worker.process.kill()
        worker.process.wait()


def announce(database, event):
    with span_from(PARENT, "test"), database.write(CALLER) as session:
        emit(session, event)


def notes(database, subject):
    with database.read(CALLER) as session:
        return session.execute(text("SELECT trace FROM note WHERE subject = :subject"), {"subject": subject}).all()


def test_a_worker_tells_where_it_stands_and_goes_on(start):
    worker = start()
    eventually(lambda: worker.ask("/readyz")[0] == 200, timeout=60)
    for _ in range(2):
        before = worker.log.read_text().count("Green thread")
        worker.process.send_signal(signal.SIGUSR1)
        eventually(lambda before=before: worker.log.read_text().count("Green thread") > before)
    # The thread, in whatever state it is, and a loop that waits: told one after the other.
    for told in ("most recent call first", "chassis/bus/relay.py"):
        eventually(lambda told=told: told in worker.log.read_text())
    assert worker.stop() == 0


def test_worker_relays_handles_ticks_and_tells(database, start):
    worker = start()
    eventually(lambda: worker.ask("/readyz")[0] == 200, timeout=60)
    announce(database, Noted("things/1"))
    [(trace,)] = eventually(lambda: notes(database, "things/1"))
    assert trace == PARENT[3:35], "one trace from the call to the handler"
    eventually(lambda: len(notes(database, "tick")) >= 2)
    [line] = eventually(lambda: worker.lines("event handled"))
    assert (line["trace_id"], line["type"]) == (trace, "crm.worker.v1.Noted")
    assert {"event", "handler", "ms"} <= set(line)
    # What is published is counted when it is marked, which may be after it is handled.
    for figure in (
        'outbox_published_total{service="worker"} 1.0',
        'outcome="handled"',
        'dead_letters{queue="worker.no',
    ):
        eventually(lambda figure=figure: figure in worker.ask("/metrics")[1])
    assert worker.stop() == 0


def test_worker_finishes_what_it_is_handling(database, start):
    worker = start()
    eventually(lambda: worker.ask("/readyz")[0] == 200, timeout=60)
    announce(database, Noted("things/1", number=2.0))
    eventually(lambda: handling(database))
    assert worker.stop() == 0
    assert not worker.lines("what is under way takes too long to stop; it is cut off and done again later")
    assert notes(database, "things/1")


def test_worker_waits_for_a_broker_that_is_away_and_can_be_stopped_meanwhile(database, start):
    worker = start(amqp_url=f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    eventually(lambda: worker.ask("/livez")[0] == 200, timeout=60)
    assert worker.ask("/readyz")[0] == 503
    eventually(lambda: worker.lines("waiting for the broker"))
    assert worker.stop(signal.SIGINT) == 0


def handling(database):
    """Whether a handler's transaction is open: its claim is locked, and cannot be seen yet."""
    with database.read(CALLER) as session:
        return session.scalar(
            text(
                """
                SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE d.datname = current_database() AND l.relation = 'inbox_claim'::regclass
                  AND l.mode = 'RowExclusiveLock'
                """
            )
        )
