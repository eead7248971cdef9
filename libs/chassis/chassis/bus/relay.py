"""The loop that publishes the events of a service's outbox.

One process at a time, the holder of an advisory lock, publishes in the order of positions, with confirms, and then
marks the rows. Why nothing is lost and the order per subject is kept:

- A row is marked after the broker has confirmed the event. A relay that dies in between leaves rows that the next
  one publishes again; handlers know them by their ids.
- Rows are found by their mark, not by the highest position seen, so that one whose transaction commits late is
  found, too. `chassis.outbox` says why it cannot be late within its subject.
- At most one event of a subject is unconfirmed at any time, so that if the broker refuses one, no later event of
  its subject is already in a queue.
- Rows are read and marked on the connection that holds the lock. A relay that has lost the lock without knowing may
  publish some more of what it read. Like the new one's, its events form a sequence without gaps that begins with one
  not yet marked, so that the first copy of each event still comes after the first copy of the one before it.

The relay waits on LISTEN. It looks once a second besides, for a notification lost with a connection, or with a
process that died between its commit and the notification (`chassis.announcing`).
"""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg
from amqp import Connection, Message
from psycopg.rows import class_row, scalar_row

from chassis import metrics
from chassis.bus.envelope import CONTENT_TYPE, seal_envelope
from chassis.bus.nodes import BROKER_FAULTS
from chassis.bus.topology import Publisher, connected, declare_exchange, exchange_name, take_in
from chassis.connecting import OWN_SESSION, connect
from chassis.outbox import CHANNEL
from chassis.stopping import Stopping

BATCH = 500
"""How many rows are read at a time."""

LOOK_SECONDS = 1.0
"""How often the relay looks without being notified, and how often one that waits tries to take the lead."""

ROUND_SECONDS = 0.01
"""Where events come one upon the other, the relay looks once in this time: what came meanwhile shares the statements
and the broker's confirmation, and the transactions of the handlers."""

_LOCK = 0x6F75_7462_6F78_2121
_PAUSES = (0.1, 0.3, 0.6, 1.0)

_PENDING = """
SELECT position, event_id, type, subject, time, data::text, traceparent
FROM outbox WHERE publish_time IS NULL ORDER BY position LIMIT %s
"""
_MARK = "UPDATE outbox SET publish_time = clock_timestamp() WHERE position = ANY(%s)"

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """An event that waits."""

    position: int
    event_id: UUID
    type: str
    subject: str
    time: datetime
    data: str
    traceparent: str


class Relay:
    """Publishes a service's events until it is stopped. Waits for a broker or a database that is away."""

    def __init__(self, amqp_url: str, database_url: str, service: str) -> None:
        self._amqp_url = amqp_url
        self._database_url = database_url
        self._service = service
        self.stopping = Stopping()
        self.is_leading = False

    def stop(self) -> None:
        """Ask `run` to return."""
        self.stopping.set()

    def run(self) -> None:
        """Publish until stopped."""
        failures = 0
        while not self.stopping.is_set():
            try:
                with self._database() as database:
                    while not self.stopping.is_set() and not _take_lead(database):
                        self.stopping.wait(LOOK_SECONDS)
                    with connected(self._amqp_url) as broker:
                        declare_exchange(broker.channel(), self._service)
                        self.is_leading, failures = True, 0
                        self._publish_all(database, Publisher(broker), broker)
            except (psycopg.Error, *BROKER_FAULTS) as fault:
                log.warning("the relay has to wait", extra={"service": self._service, "error": type(fault).__name__})
                self.stopping.wait(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
            finally:
                self.is_leading = False

    def _publish_all(self, database: psycopg.Connection[Row], publisher: Publisher, broker: Connection) -> None:
        database.execute(f"LISTEN {CHANNEL}")
        while not self.stopping.is_set():
            began = time.monotonic()
            if self._publish_pending(database, publisher) < BATCH:
                for _ in database.notifies(timeout=LOOK_SECONDS, stop_after=1):
                    pass
                if (early := began + ROUND_SECONDS - time.monotonic()) > 0:
                    self.stopping.wait(early)
                take_in(broker, 0)
                broker.heartbeat_tick()

    def _publish_pending(self, database: psycopg.Connection[Row], publisher: Publisher) -> int:
        """Publish the oldest events that wait, at most BATCH. Returns how many there were."""
        rows = database.execute(_PENDING, [BATCH]).fetchall()
        confirmed: list[int] = []
        try:
            for run in runs(rows):
                publisher.publish([self._message(row) for row in run])
                confirmed.extend(row.position for row in run)
        finally:
            if confirmed:
                database.execute(_MARK, [confirmed])
                metrics.EVENTS_PUBLISHED.labels(self._service).inc(len(confirmed))
        return len(rows)

    def _message(self, row: Row) -> tuple[str, str, Message]:
        body = seal_envelope(
            event_id=row.event_id,
            source=self._service,
            event_type=row.type,
            subject=row.subject,
            time=row.time,
            traceparent=row.traceparent,
            data=row.data,
        )
        message = Message(
            body,
            content_type=CONTENT_TYPE,
            content_encoding="utf-8",
            delivery_mode=2,
            message_id=str(row.event_id),
            type=row.type,
        )
        return exchange_name(self._service), row.type.rpartition(".")[2], message

    def _database(self) -> psycopg.Connection[Row]:
        # Its own and direct, for neither LISTEN nor a session's lock passes through a pooler of transactions.
        return connect(
            self._database_url,
            autocommit=True,
            row_factory=class_row(Row),
            application_name=f"{self._service} relay",
            **OWN_SESSION,
        )


def runs(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Cut a sequence into runs in which no subject comes twice. Each is published when the one before is confirmed."""
    run: list[Row] = []
    subjects: set[str] = set()
    for row in rows:
        if row.subject and row.subject in subjects:
            yield run
            run, subjects = [], set()
        run.append(row)
        subjects.add(row.subject)
    if run:
        yield run


def _take_lead(database: psycopg.Connection[Row]) -> bool:
    # Tried again and again: a session that waits inside pg_advisory_lock() holds a snapshot, which stops vacuum.
    with database.cursor(row_factory=scalar_row) as cursor:
        return bool(cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone())
