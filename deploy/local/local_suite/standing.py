"""How a suite stands in which a test has failed: what has ended, what was complained of, what waits, and for what."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import psycopg
from chassis.bus.nodes import BROKER_FAULTS
from chassis.bus.topology import connected, dead_letter_queue
from chassis.jobs.run import find_service
from chassis.settings import Settings
from embedded.processes import ProcessRef

from local_suite import running
from local_suite.layout import SERVICES
from local_suite.testing import Suite

MOST_COMPLAINTS = 60
"""Lines of a log that are shown at most, the last ones."""
LINE_CHARACTERS = 1_500
MOST_STACKS = 50_000
"""Bytes."""

JOBS = """
SELECT kind, id, state, attempt, stalls, processed, taken_time, failure_reason, failure_message FROM job
WHERE state IN ('QUEUED', 'RUNNING') OR taken_time >= %(since)s ORDER BY id
"""
UNFINISHED = """
SELECT pid, state, wait_event_type, wait_event, now() - xact_start AS since, pg_blocking_pids(pid) AS held_by,
    left(query, 300) AS query
FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
"""
UNPUBLISHED = "SELECT count(*), min(write_time) FROM outbox WHERE publish_time IS NULL HAVING count(*) > 0"


def how_it_stands(suite: Suite, since: datetime) -> Iterator[str]:
    """What helps to find out why something did not happen in a suite, beginning at a time, line by line.

    Processes that run write down where they stand, and go on.
    """
    begun = running.started(suite.folder)
    for name, each in begun.items():
        if name.endswith("work"):
            yield from _stacks(suite.folder.log(name), each.process)
    for log in sorted(suite.logs.glob("*.log")):
        yield from _complaints(log, since)
    for service in SERVICES:
        yield from _database(suite, service, since)
    yield from _queues(suite)
    for name, each in begun.items():
        if not each.process.alive():
            yield f"{name} does not run"


def _stacks(log: Path, reference: ProcessRef) -> Iterator[str]:
    """Where a process and those that it started stand, as they write it down."""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        running.ask_for_stacks(_family(reference))
        yield f"{log.stem} stands here:"
        yield file.read(MOST_STACKS).decode(errors="replace")


def _complaints(log: Path, since: datetime) -> Iterator[str]:
    """The lines of a log that are no mere information."""
    found = [line[:LINE_CHARACTERS] for line in log.read_text(errors="replace").splitlines() if _complains(line, since)]
    for line in found[-MOST_COMPLAINTS:]:
        yield f"{log.stem}: {line}"


def _complains(line: str, since: datetime) -> bool:
    try:
        entry = json.loads(line)
        return entry["level"] != "INFO" and datetime.fromisoformat(entry["time"]) >= since
    except (ValueError, TypeError, KeyError):
        return False


def _database(suite: Suite, service: str, since: datetime) -> Iterator[str]:
    try:
        with suite.database(service) as connection:
            for what, query in (("job", JOBS), ("transaction", UNFINISHED), ("unpublished", UNPUBLISHED)):
                with suppress(psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
                    found = connection.execute(query, {"since": since})
                    names = [column.name for column in found.description or ()]
                    for row in found:
                        yield f"{service}: {what} {dict(zip(names, map(str, row), strict=True))}"
    except psycopg.OperationalError as error:
        yield f"{service}: {error}"


def _queues(suite: Suite) -> Iterator[str]:
    """Queues that hold anything, or that nobody listens to."""
    runtime: Any = SimpleNamespace(settings=Settings.read(suite.environment))
    queues = [each.queue for service in SERVICES for each in find_service(service).subscriptions(runtime)]
    try:
        with connected(suite.environment["AMQP_URL"]) as connection:
            channel = connection.channel()
            for queue in chain.from_iterable((each, dead_letter_queue(each)) for each in queues):
                _, messages, consumers = channel.queue_declare(queue, passive=True)
                if messages or (not consumers and queue in queues):
                    yield f"queue {queue}: {messages} waiting, {consumers} consumers"
    except BROKER_FAULTS as error:
        yield f"broker: {error!r}"


def _family(reference: ProcessRef) -> list[ProcessRef]:
    process = reference.find()
    if process is None:
        return []
    with suppress(psutil.NoSuchProcess):
        return [reference, *(ProcessRef(child.pid, child.create_time()) for child in process.children(recursive=True))]
    return [reference]
