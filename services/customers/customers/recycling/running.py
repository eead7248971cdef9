"""The job that does the run of a day: some customers per transaction, and on from there whatever dies."""

from datetime import date, datetime, time
from uuid import UUID

from chassis.db import ServiceSession
from chassis.jobs import Cancelled, JobKind, JobRun
from chassis.organisation import organisation

from customers.model import RecycleRunState
from customers.usecases.recycle_customers import recycle_customers
from customers.usecases.start_recycling import JOBS, end_run, lock_run, start_recycling

RUN_AT = time(2)
"""When the run of a day begins, by the organisation's clock."""


def job_kind() -> JobKind:
    """The job that takes back what is due on a day."""
    return JobKind(JOBS, _run, _note_failure)


def start(session: ServiceSession, due: datetime) -> None:
    """Start the run of the day on which it is due."""
    start_recycling(session, organisation(session).day_of(due))


def _run(job: JobRun) -> None:
    while not _step(job):
        pass


def _step(job: JobRun) -> bool:
    """Take back some customers. Says whether the run has ended.

    It goes through all customers twice: first past those that others are just changing, then waiting for them.
    """
    day = date.fromisoformat(job.options["day"])
    waits = bool(job.checkpoint.get("waits"))
    with job.transaction() as session:
        run = lock_run(session, day, job.job_id)
        if run is None:
            raise Cancelled
        after = job.checkpoint.get("after")
        part = recycle_customers(session, day, UUID(after) if after else None, wait=waits)
        run.recycled += part.taken
        run.position = part.last
        checkpoint = {"waits": waits or part.last is None, "after": str(part.last) if part.last else None}
        job.advance(session, processed=run.recycled, counters={"recycled": run.recycled}, checkpoint=checkpoint)
        if part.last is not None or not waits:
            return False
        end_run(session, run, RecycleRunState.SUCCEEDED)
        job.succeed(session, total=run.recycled)
    return True


def _note_failure(job: JobRun, session: ServiceSession, reason: str, message: str) -> None:
    """Keep that the run broke off. The run of the next day takes the rest."""
    run = lock_run(session, date.fromisoformat(job.options["day"]), job.job_id)
    if run is not None:
        end_run(session, run, RecycleRunState.FAILED)
