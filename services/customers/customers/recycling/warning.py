"""The job that warns owners: some customers per transaction, and on from there whatever dies."""

from datetime import datetime, time
from uuid import UUID

from chassis import jobs
from chassis.db import ServiceSession
from chassis.jobs import JobKind, JobRun

from customers.usecases.warn_owners import forget_warnings, warn_owners

JOBS = "recycleWarnings"
WARN_AT = time(8, 30)
"""When owners are warned, by the organisation's clock."""


def job_kind() -> JobKind:
    """The job that warns owners of what falls back soon."""
    return JobKind(JOBS, _run)


def start(session: ServiceSession, due: datetime) -> None:
    """Start to warn owners. What was sent is noted, so that nothing is sent again."""
    forget_warnings(session)
    jobs.create_job(session, JOBS, {})


def _run(job: JobRun) -> None:
    ended = False
    while not ended:
        with job.transaction() as session:
            after = job.checkpoint.get("after")
            last, sent = warn_owners(session, UUID(after) if after else None)
            done = job.processed + sent
            checkpoint = {"after": str(last) if last else None}
            job.advance(session, processed=done, counters={"warned": done}, checkpoint=checkpoint)
            ended = last is None
            if ended:
                job.succeed(session, total=done)
