"""What every service's `work` process does beside its own work: sealing the audit chain, purging, measuring."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import func, select, text

from chassis import audit, idempotency, inbox, jobs, mail, metrics, outbox
from chassis.bus import dead_letters
from chassis.bus.faults import is_transient
from chassis.callers import service_caller
from chassis.db import Database, ServiceSession
from chassis.personal_data import echoes
from chassis.stopping import Stopping

SEAL_SECONDS = 5.0
PURGE_SECONDS = 3600.0
MEASURE_SECONDS = 5.0
SWEEP_SECONDS = 10.0
"""How soon after an erasure dead letters are redacted."""

_LOCK = 0x686F_7573_6521_2121

_PENDING = text(
    """
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(write_time)), 0)
    FROM outbox WHERE publish_time IS NULL
    """
)

log = logging.getLogger(__name__)


class Housekeeping:
    """Does the chores of one service's database until it is stopped. With several replicas, one at a time does each."""

    def __init__(self, database: Database, amqp_url: str, queues: Sequence[str]) -> None:
        """`queues`: those of the service's handlers."""
        self._database, self._amqp_url, self._queues = database, amqp_url, queues
        self.stopping = Stopping()
        self._chores: list[tuple[float, Callable[[ServiceSession], object]]] = [
            (SEAL_SECONDS, audit.seal),
            (PURGE_SECONDS, _purge_outbox),
            (PURGE_SECONDS, inbox.purge),
            (PURGE_SECONDS, idempotency.purge),
            (PURGE_SECONDS, jobs.purge),
            (PURGE_SECONDS, mail.purge),
            (SWEEP_SECONDS, self.sweep_dead_letters),
        ]
        self._due = [time.monotonic() + min(seconds, 60) for seconds, _ in self._chores]
        self._measure_at = 0.0

    def stop(self) -> None:
        """Ask `run` to finish the chore under way and return."""
        self.stopping.set()

    def run(self) -> None:
        """Do chores until stopped."""
        while not self.stopping.wait(1.0):
            self._attempt("measure", self._measure)
            for place, (seconds, chore) in enumerate(self._chores):
                if time.monotonic() >= self._due[place] and not self.stopping.is_set():
                    self._due[place] = time.monotonic() + seconds
                    self._attempt(chore.__name__, partial(self._do, chore))

    def _attempt(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            log.warning(
                "a chore failed; it is tried again",
                exc_info=None if is_transient(error) else error,
                extra={"service": self._database.service, "chore": name, "error": type(error).__name__},
            )

    def _do(self, chore: Callable[[ServiceSession], object]) -> None:
        with self._database.write(service_caller(self._database.service)) as session:
            if session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
                chore(session)

    def sweep_dead_letters(self, session: ServiceSession) -> None:
        """Take those who were erased not long ago out of the dead letters."""
        for echo in echoes.take_unswept(session):
            dead_letters.rewrite(self._amqp_url, self._queues, echo.redacted, echo.text)

    def _measure(self) -> None:
        if time.monotonic() < self._measure_at:
            return
        self._measure_at = time.monotonic() + MEASURE_SECONDS
        with self._database.read(service_caller(self._database.service)) as session:
            pending, age = session.execute(_PENDING).one()
            metrics.JOBS_WAITING.labels(self._database.service).set(len(jobs.waiting_jobs(session)))
            metrics.AUDIT_UNSEALED.labels(self._database.service).set(audit.unsealed(session))
            metrics.AUDIT_HEAD.labels(self._database.service).set(audit.head(session)[0])
        metrics.OUTBOX_PENDING.labels(self._database.service).set(pending)
        metrics.OUTBOX_LAG_SECONDS.labels(self._database.service).set(float(age))


def _purge_outbox(session: ServiceSession) -> None:
    while outbox.purge(session):
        pass
