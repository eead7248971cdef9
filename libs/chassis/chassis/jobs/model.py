"""What the database keeps of jobs and their files."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DDL, BigInteger, ForeignKey, Index, Text, event, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import ChassisTables
from chassis.names import make_name


class JobState(StrEnum):
    """Where a job stands. The names are those of `crm.common.v1.JobState`."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Job(ChassisTables):
    """A job: what is to be done for whom, and how far it has come."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_kind_create_time", "kind", "create_time", "id"),
        Index("ix_job_open", "id", postgresql_where=text("state IN ('QUEUED', 'RUNNING')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """The collection of its resource name, e.g. `importJobs`."""
    state: Mapped[str]
    creator: Mapped[str]
    caller: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The creator's rights when the job was created; it runs with these."""
    options: Mapped[dict[str, Any]] = mapped_column(JSONB)
    traceparent: Mapped[str]
    input_file: Mapped[UUID | None]
    output_file: Mapped[UUID | None]
    total: Mapped[int] = mapped_column(BigInteger)
    """Items to do; 0 until it is known."""
    processed: Mapped[int] = mapped_column(BigInteger)
    counters: Mapped[dict[str, int]] = mapped_column(JSONB)
    checkpoint: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What the job needs to go on from here; empty at its start."""
    result: Mapped[dict[str, Any]] = mapped_column(JSONB)
    failure_reason: Mapped[str]
    failure_message: Mapped[str]
    create_time: Mapped[datetime]
    start_time: Mapped[datetime | None]
    end_time: Mapped[datetime | None]
    lock_key: Mapped[int] = mapped_column(BigInteger)
    """The advisory lock that the process working on it holds."""
    attempt: Mapped[int]
    """How often a process has taken it. A process that was overtaken by a later attempt writes nothing more."""
    stalls: Mapped[int]
    """How many attempts in a row came to no checkpoint."""
    taken_time: Mapped[datetime | None]
    """When a process last took it, by the real time."""

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name(self.kind, self.id)


class JobFile(ChassisTables):
    """A part of a file, so that no part of the suite needs a shared disk."""

    __tablename__ = "job_file"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes]


class JobError(ChassisTables):
    """A row of the input that a job refused."""

    __tablename__ = "job_error"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    problems: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    """For each: field, reason, message, value."""
    cells: Mapped[list[str]] = mapped_column(ARRAY(Text))


# Compressing parts costs more time than the disk that it saves for the days that they are kept.
_STORE_PLAIN: Any = DDL("ALTER TABLE job_file ALTER COLUMN data SET STORAGE EXTERNAL")  # type: ignore[no-untyped-call]
event.listen(JobFile.__table__, "after_create", _STORE_PLAIN)
