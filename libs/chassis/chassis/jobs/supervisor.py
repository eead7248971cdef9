"""Starting processes for the jobs that wait. It runs inside `work`, which eventlet patches."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from chassis.callers import service_caller
from chassis.db import Database
from chassis.hearing import Hearing
from chassis.jobs.store import CHANNEL
from chassis.jobs.waiting import waiting_jobs
from chassis.settings import Settings

INTERVAL = 0.5
"""Seconds between two looks at the queue, where nothing is heard of a new job."""

START_PATIENCE = 30.0
"""Seconds that a process may take until it has its first job."""

TOLD_PATIENCE = 0.4
"""Seconds that a process which has done its job, and lingers, may take until it has the next."""

MOST_PROCESSES = 2
"""Job processes of one service at a time; an import keeps about two cores busy."""

log = logging.getLogger(__name__)


class Supervisor:
    """Keeps enough job processes of a service running for the jobs that wait."""

    def __init__(
        self, settings: Settings, database: Database, *, command: Sequence[str] = (), most: int = MOST_PROCESSES
    ) -> None:
        self._database = database
        self._environment = {key: value for key, value in settings.environment.items() if key != "PSYCOPG_WAIT_FUNC"}
        self._command = command or (sys.executable, "-m", "chassis.jobs.run", database.service)
        self._most = most
        self._processes: list[subprocess.Popen[bytes]] = []
        self._awaited: UUID | None = None
        self._patience_ends = 0.0

    def check(self) -> None:
        """Tell processes of a job that waits, or start one if none takes it. Call often; it costs one small query."""
        self._processes = [process for process in self._processes if not self._ended(process)]
        with self._database.read(service_caller(self._database.service)) as session:
            waiting = [job_id for job_id, _ in waiting_jobs(session)]
        if not waiting or self._taking(waiting):
            return
        if self._processes and (waiting[0] != self._awaited or len(self._processes) >= self._most):
            for process in self._processes:
                _tell(process)
            patience = TOLD_PATIENCE
        else:
            self._processes.append(
                # Standard input is how the process hears of jobs, and notices that this one has died.
                subprocess.Popen(self._command, stdin=subprocess.PIPE, bufsize=0, env=self._environment)
            )
            patience = START_PATIENCE
        self._awaited, self._patience_ends = waiting[0], time.monotonic() + patience

    def stop(self, patience: float = 5) -> None:
        """End the processes. Their jobs go on at their checkpoints when a supervisor runs again."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        deadline = time.monotonic() + patience
        for process in self._processes:
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if process.poll() is None:
                process.kill()
                process.wait()
        self._processes = []

    @property
    def process_ids(self) -> list[int]:
        """The processes under way."""
        return [process.pid for process in self._processes if process.poll() is None]

    def _taking(self, waiting: Sequence[UUID]) -> bool:
        """Whether a process is still on its way to the job that it was last started for, or told of."""
        return bool(self._processes) and self._awaited in waiting and time.monotonic() < self._patience_ends

    @staticmethod
    def _ended(process: "subprocess.Popen[bytes]") -> bool:
        code = process.poll()
        if code is None:
            return False
        if code:
            log.warning("job process ended unexpectedly", extra={"pid": process.pid, "code": code})
        assert process.stdin is not None
        process.stdin.close()
        return True


def _tell(process: "subprocess.Popen[bytes]") -> None:
    """Let a process look for jobs, unless it is just about to end."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(b"\n")


def supervise(settings: Settings, database: Database, stopping: Callable[[], bool]) -> None:
    """Start job processes as needed until `stopping()`. An unreachable database is waited for."""
    supervisor = Supervisor(settings, database)
    created = Hearing(settings.direct_database_url(database.service), CHANNEL)
    try:
        while not stopping():
            try:
                supervisor.check()
                created.wait(INTERVAL)
            except (SQLAlchemyError, psycopg.Error) as error:
                log.warning("cannot look for jobs", extra={"error": type(error).__name__})
                time.sleep(INTERVAL)
    finally:
        created.close()
        supervisor.stop()
