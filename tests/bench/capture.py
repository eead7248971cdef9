"""Leads that come in by themselves while the database restarts: 200 a second for a minute, each process by itself as in
production. Nothing that was acknowledged may be lost, and nothing doubled.

    python tests/bench/capture.py [--seconds N] [--rate N]

Latencies stand beside those of the gateway's own `/livez` at the same rate, which costs it nothing. Exits with 1 if a
target is missed.
"""

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import orjson
from chassis.testing import eventually
from local_suite.testing import Suite, running_suite

SENDERS = 96
AWAY_SECONDS = 5.0
"""How long the database is away."""
RATE_SHARE = 0.95
"""How much of the rate must be reached while the database is there."""
CREATE = """mutation($input: CreateCaptureSourceInput!) {
  createCaptureSource(input: $input) { secret captureSource { id capturePath } } }"""
TAKEN = [
    {"field": "contact_name", "path": "name"},
    {"field": "phones", "path": "mobile"},
    {"field": "external_id", "path": "id"},
]


@dataclass
class Sent:
    """What came of sending."""

    took: list[float] = field(default_factory=list)
    """How long each took until it was acknowledged, in milliseconds, what was refused meanwhile included."""
    ended: list[float] = field(default_factory=list)
    """When each was acknowledged, in seconds since the start."""
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0

    def __str__(self) -> str:
        cuts = quantiles(self.took, n=100)
        return (
            f"p50 {median(self.took):.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(self.took):.0f} ms"
        )


def send(url: str, count: int, rate: int, request: Callable[[HTTPConnection, int], int]) -> Sent:
    """Send at a steady rate from many connections, and again what was refused. `request` returns the status."""
    address, sent, lock, numbers = urlsplit(url), Sent(), threading.Lock(), itertools.count()
    began = time.perf_counter() + 0.2

    def sender(_: int) -> None:
        connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
        while (number := next(numbers)) < count:
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
            first, status = time.perf_counter(), 0
            while status // 100 != 2:
                try:
                    status = request(connection, number)
                except (OSError, HTTPException):
                    connection.close()
                if status // 100 != 2:
                    with lock:
                        sent.refused += 1
                    time.sleep(0.5)
            with lock:
                sent.took.append((time.perf_counter() - first) * 1000)
                sent.ended.append(time.perf_counter() - began)
                sent.acknowledged.add(str(number))
        connection.close()

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(sender, range(SENDERS)))
    return sent


def alive(connection: HTTPConnection, _: int) -> int:
    connection.request("GET", "/livez")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def measure(suite: Suite, seconds: int, rate: int) -> int:
    """Run and tell. Returns how many targets were missed."""
    limits = {"callsPerMinute": 100_000, "callsPerAddressPerMinute": 100_000}
    values = {"name": "量", "kind": "FORM", "leadFields": TAKEN, **limits}
    made = suite.admin().run(CREATE, input=values)["createCaptureSource"]
    source, key = made["captureSource"], made["secret"]
    with suite.database("leads") as connection:
        # What is acknowledged is in the log of the database by then, as in production.
        connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = on")
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = CURRENT_USER"
        connection.execute(f"{others} AND pid <> pg_backend_pid()")
    headers = {"x-capture-key": key, "content-type": "application/json"}

    def submit(connection: HTTPConnection, number: int) -> int:
        body = orjson.dumps({"name": f"量{number}", "mobile": f"139{number:08}", "id": str(number)})
        connection.request("POST", source["capturePath"], body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    floor = send(suite.gateway_url, 5 * rate, rate, alive)
    away: list[float] = []

    def restart() -> None:
        time.sleep(seconds / 2)
        away.append(time.perf_counter())
        suite.halt("postgres")
        time.sleep(AWAY_SECONDS)
        suite.start("postgres")
        away.append(time.perf_counter())

    fault = threading.Thread(target=restart)
    fault.start()
    sent = send(suite.gateway_url, seconds * rate, rate, submit)
    fault.join()
    drained = time.perf_counter()
    leads = drain(suite, source["id"].partition("/")[2])
    print(f"  floor, GET /livez at {rate}/s: {floor}")
    print(
        f"  capture at {rate}/s for {seconds} s: {sent}; {median(sent.took) / median(floor.took):.1f} times the floor"
    )
    print(f"  database away for {away[1] - away[0]:.1f} s; {sent.refused} refused and sent again")
    print(f"  judged {time.perf_counter() - drained:.1f} s after the last")
    lost, doubled = len(sent.acknowledged - set(leads)), len(leads) - len(set(leads))
    before = sum(ended < seconds / 2 for ended in sent.ended) / (seconds / 2)
    return note(
        (f"acknowledged = {len(sent.acknowledged)}, lost = {lost}, doubled = {doubled}", not lost and not doubled),
        (f"{before:.0f}/s before the restart, at least {RATE_SHARE * rate:.0f}", before >= RATE_SHARE * rate),
    )


def drain(suite: Suite, source: str) -> list[str]:
    """The ids of the leads that came in, once all is judged."""

    def judged() -> bool:
        with suite.database("leads") as connection:
            query = "SELECT count(*) FROM capture_submission WHERE source_id = %s AND state = 'NEW'"
            return connection.execute(query, (source,)).fetchone() == (0,)

    eventually(judged, timeout=180)
    with suite.database("leads") as connection:
        query = "SELECT external_id FROM lead WHERE capture_source_id = %s"
        return [row[0] for row in connection.execute(query, (source,))]


def note(*verdicts: tuple[str, bool]) -> int:
    for text, met in verdicts:
        print(f"{'  ' if met else '✗ '}{text}", flush=True)
    return sum(not met for _, met in verdicts)


def main() -> int:
    """Run the benchmark. Returns 1 if it missed a target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=200)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_suite(Path(folder), split=True, test_clock=False) as suite,
    ):
        return 1 if measure(suite, arguments.seconds, arguments.rate) else 0


if __name__ == "__main__":
    sys.exit(main())
