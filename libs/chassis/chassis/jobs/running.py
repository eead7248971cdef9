"""What the code of a job works with."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import delete, func, update

from chassis import audit
from chassis.callers import Caller
from chassis.copying import copy_cells, text_array, write_lines
from chassis.db import ServiceSession
from chassis.jobs.files import read_file, store_file
from chassis.jobs.model import Job, JobError, JobState
from chassis.names import make_name
from chassis.notifications import notify
from chassis.service import Runtime
from chassis.tabular import Problem

_BEFORE = "progress of the job before"
"""Where a session keeps it."""


class Cancelled(Exception):
    """The job is no longer this process's to work on. Its transaction must roll back."""


class RefusedRow(NamedTuple):
    """A row of the input that cannot be used, with all its problems."""

    row: int
    problems: Sequence[Problem]
    cells: Sequence[str]


@dataclass(frozen=True)
class JobKind:
    """A kind of job and the code that does it."""

    name: str
    """The collection of the resource names, e.g. `importJobs`."""
    run: "Callable[[JobRun], None]"
    """Does the job from its checkpoint to its end. A DomainError fails the job for good, with its reason."""
    failed: "Callable[[JobRun, ServiceSession, str, str], None] | None" = None
    """Told of the reason and the message for people when the job fails, in the transaction that ends it."""


@dataclass
class JobRun:
    """One attempt at a job."""

    runtime: Runtime
    job_id: UUID
    kind: str
    attempt: int
    caller: Caller
    options: Mapping[str, Any]
    input_file: UUID | None
    checkpoint: dict[str, Any]
    """As last committed; empty at the start."""
    processed: int
    counters: dict[str, int] = field(default_factory=dict)
    """As last committed."""

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name(self.kind, self.job_id)

    @contextmanager
    def transaction(self) -> Iterator[ServiceSession]:
        """A transaction on the creator's behalf. What it does is to be saved with `advance` at its end."""
        saved: dict[Any, Any] = {}
        try:
            with self.runtime.database.write(self.caller, request_id=str(self.job_id)) as session:
                saved = session.info
                yield session
        except BaseException:
            if _BEFORE in saved:
                self.processed, self.counters, self.checkpoint = saved[_BEFORE]
            raise

    @contextmanager
    def reading(self) -> Iterator[ServiceSession]:
        """A session for reading on the creator's behalf."""
        with self.runtime.database.read(self.caller) as session:
            session.request_id = str(self.job_id)
            yield session

    @contextmanager
    def reading_much(self) -> Iterator[ServiceSession]:
        """The same for a page of what the job goes through: on a standby if there is one, see `Database.read_much`.
        An attempt that failed, whatever it failed of, is not made there again."""
        if self.attempt > 1:
            with self.reading() as session:
                yield session
            return
        with self.runtime.database.read_much(self.caller) as session:
            session.request_id = str(self.job_id)
            yield session

    @contextmanager
    def input_path(self) -> Iterator[Path]:
        """The input as a file on disk, as long as the context lasts."""
        with tempfile.NamedTemporaryFile(prefix="job-") as file:
            with self.reading() as session:
                for part in read_file(session, self.input_file):
                    file.write(part)
            file.flush()
            yield Path(file.name)

    def announce(self, *, total: int, result: Mapping[str, Any]) -> None:
        """Make known how much there is to do, and what is known of the result."""
        with self.transaction() as session:
            self._update(session, total=total, result=dict(result))

    def restart(self, session: ServiceSession) -> None:
        """Forget all progress, for a job that must begin anew whenever its process died."""
        session.execute(delete(JobError).where(JobError.job_id == self.job_id))
        self._note_before(session)
        self.checkpoint, self.counters, self.processed = {}, {}, 0
        self._update(session, processed=0, counters={}, checkpoint={})

    def advance(
        self,
        session: ServiceSession,
        *,
        processed: int,
        counters: Mapping[str, int],
        checkpoint: Mapping[str, Any],
        refused: Sequence[RefusedRow] = (),
    ) -> None:
        """Save how far the job has come, in the transaction of its effects. The numbers are totals, not steps.

        Raises Cancelled if the job was stopped or taken over meanwhile: nothing of the transaction may stay then.
        """
        _store_refused(session, self.job_id, refused)
        self._update(session, processed=processed, counters=dict(counters), checkpoint=dict(checkpoint), stalls=0)
        self._note_before(session)
        self.processed, self.counters, self.checkpoint = processed, dict(counters), dict(checkpoint)

    def succeed(
        self,
        session: ServiceSession,
        *,
        total: int | None = None,
        result: Mapping[str, Any] | None = None,
        output: BinaryIO | None = None,
    ) -> None:
        """End the job well, in the given transaction."""
        values: dict[str, Any] = {"state": JobState.SUCCEEDED, "end_time": session.now, "stalls": 0}
        if total is not None:
            values["total"] = total
        if result is not None:
            values["result"] = dict(result)
        if output is not None:
            values["output_file"] = store_file(session, output)
        self._update(session, **values)
        self._ended(session, JobState.SUCCEEDED)

    def fail(self, session: ServiceSession, reason: str, message: str) -> None:
        """End the job for good, saying why."""
        self._update(
            session, state=JobState.FAILED, end_time=session.now, failure_reason=reason, failure_message=message
        )
        self._ended(session, JobState.FAILED)

    def _note_before(self, session: ServiceSession) -> None:
        """Remember what holds again if the transaction rolls back. Others may have ended since it began."""
        session.info.setdefault(_BEFORE, (self.processed, self.counters, self.checkpoint))

    def _ended(self, session: ServiceSession, state: JobState) -> None:
        after = {"state": state, "processed": self.processed, **self.counters}
        audit.record(session, "job.end", self.name, {"state": JobState.RUNNING}, after)
        if self.caller.user_id is not None:
            notify(session, self.caller.user_id, "JOB_ENDED", self.name, {"state": str(state)})

    def _update(self, session: ServiceSession, **values: Any) -> None:
        mine = (Job.id == self.job_id, Job.state == JobState.RUNNING, Job.attempt == self.attempt)
        found = session.execute(update(Job).where(*mine).values(**values).returning(func.now())).first()
        if found is None:
            raise Cancelled


def _store_refused(session: ServiceSession, job_id: UUID, refused: Sequence[RefusedRow]) -> None:
    write_lines(session, "job_error", ("job_id", "row", "problems", "cells"), map(partial(_line, job_id), refused))


def _line(job_id: UUID, row: RefusedRow) -> str:
    problems = [{key: _storable(value) for key, value in problem._asdict().items()} for problem in row.problems]
    cells = text_array([_storable(cell) for cell in row.cells])
    return copy_cells([str(job_id), str(row.row), orjson.dumps(problems).decode(), cells])


def _storable(text: str) -> str:
    return text.replace("\0", "")  # PostgreSQL's text holds any character but this
