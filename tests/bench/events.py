"""How long an event takes from its commit to its handler, and how many get through.

    python tests/bench/events.py [--split]

Two small services, one announcing and one noting, in one `work` process, or with --split in two. The servers are those
of TEST_POSTGRES_URL and TEST_AMQP_URL if set, else private ones, with commits written to disk. Prints the lag at 100
events/s and the rate at which a backlog is worked off, relay and handler each by itself and together.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles

import psutil
from chassis.bus.launch import command
from chassis.callers import service_caller
from chassis.db import Database
from chassis.outbox import emit_all
from chassis.testing import eventually
from chassis.testing.broker import remove_queues
from chassis.testing.databases import create_database, drop_database
from embedded import postgres, rabbitmq
from sqlalchemy import text

SERVICES = Path(__file__).parent.parent / "faults"
sys.path.append(str(SERVICES))

from event_services import ALPHA_TABLES, BETA_TABLES, SUBSCRIPTION, Counted  # noqa: E402

PER_SECOND = 100
SECONDS = 20
BACKLOG = 5000
THINGS = 1000
TARGET_P50_MS, TARGET_P99_MS, TARGET_PER_SECOND = 25, 250, 600


class Pair:
    """The databases of the two services."""

    def __init__(self, server: str, amqp_url: str) -> None:
        self.amqp_url = amqp_url
        self.urls = {name: create_database(server, name, None) for name in ("alpha", "beta")}
        self.alpha, self.beta = Database("alpha", self.urls["alpha"]), Database("beta", self.urls["beta"])
        self.run(self.alpha, ALPHA_TABLES)
        self.run(self.beta, BETA_TABLES)

    def run(self, database: Database, statement: str) -> None:
        """Execute a statement."""
        with database.write(service_caller(database.service)) as session:
            session.execute(text(statement))

    def ask(self, database: Database, question: str) -> int:
        """Count something."""
        with database.read(service_caller(database.service)) as session:
            return int(session.scalar(text(question)) or 0)

    def announce(self, numbers: range) -> None:
        """Announce that things were counted."""
        with self.alpha.write(service_caller("alpha")) as session:
            emit_all(session, [Counted(f"things/{number % THINGS}", number) for number in numbers])

    def noted(self) -> int:
        """How many events have been handled."""
        return self.ask(self.beta, "SELECT count(*) FROM note")

    def pending(self) -> int:
        """How many events wait for the relay."""
        return self.ask(self.alpha, "SELECT count(*) FROM outbox WHERE publish_time IS NULL")

    @contextmanager
    def working(self, *groups: str) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Run `work` processes, each for one group of services."""
        environment = os.environ | {
            "PYTHONPATH": str(SERVICES),
            "AMQP_URL": self.amqp_url,
            "DATABASE_URL_ALPHA": self.urls["alpha"],
            "DATABASE_URL_BETA": self.urls["beta"],
        }
        processes = [
            subprocess.Popen(
                command([f"event_services:{name}" for name in group.split()]),
                env=environment,
                stderr=subprocess.DEVNULL,
            )
            for group in groups
        ]
        try:
            yield processes
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(20)

    def close(self) -> None:
        """Leave nothing behind."""
        remove_queues(self.amqp_url, [SUBSCRIPTION])
        for database in (self.alpha, self.beta):
            database.dispose()
            drop_database(self.urls[database.service])


def lag(pair: Pair, groups: list[str]) -> tuple[float, float]:
    """The median and the 99th percentile of the lag, in milliseconds, at PER_SECOND events a second."""
    committed: list[float] = []
    with pair.working(*groups):
        pair.announce(range(-1, 0))
        eventually(pair.noted, timeout=60)
        start = time.monotonic()
        for number in range(PER_SECOND * SECONDS):
            time.sleep(max(0.0, start + number / PER_SECOND - time.monotonic()))
            pair.announce(range(number, number + 1))
            committed.append(time.time())
        eventually(lambda: pair.noted() == len(committed) + 1, timeout=60)
    with pair.beta.read(service_caller("beta")) as session:
        handled = session.scalars(
            text("SELECT extract(epoch FROM handled)::float FROM note WHERE number >= 0 ORDER BY number")
        ).all()
    cuts = quantiles([(end - begin) * 1000 for begin, end in zip(committed, handled, strict=True)], n=100)
    return cuts[49], cuts[98]


def work_off(pair: Pair, what: str, count: Callable[[], int], last: int, groups: list[str]) -> float:
    """Print and return how many events a second are worked off, from the moment the first one is."""
    before = count()
    with pair.working(*groups) as processes:
        eventually(lambda: count() != before, timeout=60, interval=0.01)
        first, start, used = count(), time.monotonic(), processor_seconds(processes)
        eventually(lambda: count() == last, timeout=120, interval=0.02)
        seconds, used = time.monotonic() - start, processor_seconds(processes) - used
    events = abs(last - first)
    print(f"{what:18} {events / seconds:7.0f} events/s   {used / events * 1e6:5.0f} µs of CPU per event in its process")
    return events / seconds


def processor_seconds(processes: list[subprocess.Popen[bytes]]) -> float:
    """The processor time that processes have used."""
    return sum(sum(psutil.Process(process.pid).cpu_times()[:2]) for process in processes)


def measure(pair: Pair, groups: list[str]) -> bool:
    """Measure and print. Returns whether all targets are met."""
    p50, p99 = lag(pair, groups)
    print(
        f"lag at {PER_SECOND} events/s   p50 {p50:.1f} ms, p99 {p99:.1f} ms (wanted: {TARGET_P50_MS}, {TARGET_P99_MS})"
    )
    pair.announce(range(BACKLOG))
    work_off(pair, "relay alone", pair.pending, 0, ["ALPHA"])
    handled = work_off(pair, "handler alone", pair.noted, pair.noted() + BACKLOG, ["BETA"])
    print(f"{'':18} at least {TARGET_PER_SECOND} are wanted of the handler")
    pair.announce(range(BACKLOG))
    work_off(pair, "relay and handler", pair.noted, pair.noted() + BACKLOG, groups)
    return p50 <= TARGET_P50_MS and p99 <= TARGET_P99_MS and handled >= TARGET_PER_SECOND


def main() -> None:
    """Run the benchmark; exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", action="store_true", help="one process per service")
    groups = ["ALPHA", "BETA"] if parser.parse_args().split else ["ALPHA BETA"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server, amqp_url = os.environ.get("TEST_POSTGRES_URL", ""), os.environ.get("TEST_AMQP_URL", "")
        if not amqp_url:
            broker = rabbitmq.start(folder / "rabbitmq")
            stack.callback(broker.stop)
            amqp_url = broker.url
        if not server:
            server = postgres.start(folder / "postgres").admin_url
            stack.callback(postgres.remove, folder / "postgres")
        pair = Pair(server, amqp_url)
        stack.callback(pair.close)
        met = measure(pair, groups)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
