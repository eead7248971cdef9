"""Whatever is killed while events flow, each takes effect once, in the order of its subject."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from chassis.bus import dead_letters
from chassis.bus.launch import command
from chassis.callers import service_caller
from chassis.db import Database
from chassis.testing import eventually
from chassis.testing.databases import create_database
from embedded import postgres, rabbitmq
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

HERE = Path(__file__).parent
sys.path.append(str(HERE))  # where the processes under test find their services, too

from event_services import ALPHA_TABLES, BETA_TABLES, SUBSCRIPTION, count  # noqa: E402

EVENTS = 5000
THINGS = 40
PRODUCERS = 3
PER_SECOND = 200
"""While there are faults; faster afterwards."""

KEPT_ON_KILL = {"synchronous_commit": "on"}
"""What a killed server has confirmed stays committed, as in production. Only the machine may not fail."""


class Suite:
    """Servers and worker processes of their own, each of which can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = rabbitmq.start(folder / "rabbitmq")
        self.server = postgres.start(folder / "postgres", safe=False, settings=KEPT_ON_KILL)
        self.urls = {name: create_database(self.server.admin_url, name, None) for name in ("alpha", "beta")}
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.alpha = Database("alpha", self.urls["alpha"])
        self.beta = Database("beta", self.urls["beta"])
        with self.alpha.write(service_caller("alpha")) as session:
            session.execute(text(ALPHA_TABLES))
            session.execute(text(f"INSERT INTO thing SELECT 'things/' || n, 0 FROM generate_series(1, {THINGS}) n"))
        with self.beta.write(service_caller("beta")) as session:
            session.execute(text(BETA_TABLES))

    def work(self, replica: str) -> None:
        """Start a worker process with the relays and handlers of both services. Replicas share the work."""
        environment = os.environ | {
            "PYTHONPATH": str(HERE),
            "AMQP_URL": self.broker.url,
            "DATABASE_URL_ALPHA": self.urls["alpha"],
            "DATABASE_URL_BETA": self.urls["beta"],
            "LOG_LEVEL": "WARNING",
            "MONITOR_LISTEN": "",
        }
        with (self.folder / f"{replica}.log").open("ab") as log:
            self.workers[replica] = subprocess.Popen(
                command(["event_services:ALPHA", "event_services:BETA"]), env=environment, stderr=log, stdout=log
            )

    def kill_worker(self, replica: str) -> None:
        """Kill a worker and start another in its place."""
        process = self.workers[replica]
        assert process.poll() is None, f"{replica} has died by itself"
        process.kill()
        process.wait()
        self.work(replica)

    def kill_broker(self) -> None:
        """Kill the broker and start it again."""
        kill(self.broker.process.pid)
        self.broker = rabbitmq.start(self.folder / "rabbitmq", self.broker.port)

    def kill_database(self) -> None:
        """Kill the database server with all its backends and start it again."""
        kill(self.server.process.pid)
        self.server = postgres.start(self.folder / "postgres", self.server.port, safe=False, settings=KEPT_ON_KILL)
        self.alpha.dispose()  # the connections of this process are not what is tested
        self.beta.dispose()

    def close(self) -> None:
        """Stop all."""
        for process in self.workers.values():
            process.terminate()
        for process in self.workers.values():
            process.wait(15)
        self.alpha.dispose()
        self.beta.dispose()
        self.broker.stop()
        postgres.remove(self.folder / "postgres")

    def total(self) -> int:
        """How many events have been written."""
        with self.alpha.read(service_caller("alpha")) as session:
            return int(session.scalar(text("SELECT sum(counted) FROM thing")) or 0)

    def notes(self) -> dict[str, list[int]]:
        """What has taken effect, by thing and in order."""
        with self.beta.read(service_caller("beta")) as session:
            found = session.execute(
                text("SELECT thing, array_agg(number ORDER BY place) AS numbers FROM note GROUP BY thing")
            )
            return {row.thing: row.numbers for row in found}

    def noted(self) -> int:
        """How many events have taken effect."""
        with self.beta.read(service_caller("beta")) as session:
            return int(session.scalar(text("SELECT count(*) FROM note")) or 0)


def kill(pid: int) -> None:
    """Kill a process and all below it, and wait until they are gone."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, 10)


class Producers:
    """Count things in several threads, EVENTS times at least, whatever happens to the database meanwhile.

    They go on, slowly, until they are told to `finish`, so that every fault happens while events flow.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._remaining = iter(range(EVENTS))
        self._finishing, self._stopping = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._produce, args=[n], daemon=True) for n in range(PRODUCERS)]

    def __enter__(self) -> "Producers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(10)

    def finish(self) -> None:
        """Write what is missing to EVENTS as fast as possible, and return when it is written."""
        self._finishing.set()
        eventually(lambda: not any(thread.is_alive() for thread in self._threads), timeout=90)

    def _produce(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stopping.is_set():
            if next(self._remaining, None) is None and self._finishing.is_set():
                return
            self._count(f"things/{chance.randint(1, THINGS)}")
            if not self._finishing.is_set():
                self._stopping.wait(PRODUCERS / PER_SECOND)

    def _count(self, thing: str) -> None:
        while not self._stopping.is_set():
            try:
                with self._suite.alpha.write(service_caller("alpha")) as session:
                    count(session, thing)
                return
            except DBAPIError:  # it may have been committed all the same: then there is one event more
                self._stopping.wait(0.1)


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    suite = Suite(tmp_path)
    try:
        suite.work("first")
        suite.work("second")
        with suite.alpha.write(service_caller("alpha")) as session:
            count(session, "things/1")
        eventually(suite.noted, timeout=60)
        yield suite
    finally:
        suite.close()


@pytest.mark.slow
def test_no_event_is_lost_doubled_or_overtaken_whatever_is_killed(suite: Suite) -> None:
    def let_flow(events: int) -> None:
        """Wait until some more events have taken effect."""
        start = suite.noted()
        eventually(lambda: suite.noted() >= start + events, timeout=60)

    with Producers(suite) as producers:
        let_flow(300)
        for fault in (
            lambda: suite.kill_worker("first"),  # one of them has the relay and the handler, the other waits
            lambda: suite.kill_worker("second"),
            suite.kill_broker,
            suite.kill_database,
            lambda: suite.kill_worker("first"),
        ):
            fault()
            let_flow(300)
        producers.finish()
    eventually(lambda: suite.noted() >= suite.total(), timeout=60)
    assert suite.total() >= EVENTS
    notes = suite.notes()
    assert notes == {thing: list(range(1, len(numbers) + 1)) for thing, numbers in notes.items()}
    assert sum(map(len, notes.values())) == suite.total()
    assert not dead_letters.list(suite.broker.url, [SUBSCRIPTION.queue])
