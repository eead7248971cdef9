"""Worker processes of the two small services, and producers that give them work, for tests that kill what they run
on."""

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil
from chassis.bus import dead_letters
from chassis.bus.launch import command
from chassis.callers import service_caller
from chassis.db import Database
from chassis.testing import eventually
from chassis.testing.databases import create_database
from embedded import postgres
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

HERE = Path(__file__).parent
sys.path.append(str(HERE))  # where the processes under test find their services, too

from event_services import ALPHA_TABLES, BETA_TABLES, SUBSCRIPTION, count  # noqa: E402

THINGS = 40
PRODUCERS = 3
PER_SECOND = 200
"""While there are faults; faster afterwards."""

KEPT_ON_KILL = {"synchronous_commit": "on"}
"""What a killed server has confirmed stays committed, as in production. Only the machine may not fail."""


class EventSuite:
    """Databases and worker processes of their own, each of which can be killed."""

    def __init__(self, folder: Path, amqp_url: str) -> None:
        self.folder, self.amqp_url = folder, amqp_url
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
            "AMQP_URL": self.amqp_url,
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
            process.wait(60)
        self.alpha.dispose()
        self.beta.dispose()
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

    def begin(self) -> None:
        """Start two workers, and wait until a first event has taken effect."""
        self.work("first")
        self.work("second")
        with self.alpha.write(service_caller("alpha")) as session:
            count(session, "things/1")
        eventually(self.noted, timeout=180)

    def let_flow(self, events: int) -> None:
        """Wait until some more events have taken effect."""
        start = self.noted()
        eventually(lambda: self.noted() >= start + events, timeout=180)

    def judge(self, events: int) -> None:
        """At least so many events have been written, and each takes effect once, in the order of its subject."""
        eventually(lambda: self.noted() >= self.total(), timeout=180)
        assert self.total() >= events
        notes = self.notes()
        assert notes == {thing: list(range(1, len(numbers) + 1)) for thing, numbers in notes.items()}
        assert sum(map(len, notes.values())) == self.total()
        assert not dead_letters.list(self.amqp_url, [SUBSCRIPTION.queue])


def kill(pid: int) -> None:
    """Kill a process and all below it, and wait until they are gone."""
    process = psutil.Process(pid)
    process.suspend()  # so that no child is born meanwhile
    family = [process, *process.children(recursive=True)]
    for member in family:
        with suppress(psutil.NoSuchProcess):  # a child that has ended meanwhile
            member.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, 60)


class Producers:
    """Count things in several threads, so many times at least, whatever happens to the database meanwhile.

    They go on, slowly, until they are told to `finish`, so that every fault happens while events flow.
    """

    def __init__(self, suite: EventSuite, events: int) -> None:
        self._suite = suite
        self._remaining = iter(range(events))
        self._finishing, self._stopping = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._produce, args=[n], daemon=True) for n in range(PRODUCERS)]

    def __enter__(self) -> "Producers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)

    def finish(self) -> None:
        """Write what is missing as fast as possible, and return when it is written."""
        self._finishing.set()
        eventually(lambda: not any(thread.is_alive() for thread in self._threads), timeout=180)

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
