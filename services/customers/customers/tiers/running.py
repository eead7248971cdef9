"""The job that evaluates all customers: some per transaction, and on from there whatever dies."""

from datetime import datetime, time
from uuid import UUID

from chassis.db import ServiceSession
from chassis.jobs import JobKind, JobRun

from customers.usecases.evaluate_tiers import JOBS, Part, end_evaluation, evaluate_part, queue_evaluation

RUN_AT = time(3)
"""When the nightly evaluation begins, by the organisation's clock: after the nightly scores, before what follows."""


def job_kind() -> JobKind:
    """The job, for the service's description."""
    return JobKind(JOBS, _run)


def start_nightly(session: ServiceSession, due: datetime) -> None:
    """Start the evaluation of the night."""
    queue_evaluation(session)


def _run(job: JobRun) -> None:
    while _step(job).last is not None:
        pass
    with job.transaction() as session:
        counters = {"tiers": 0, "stages": 0} | job.counters
        end_evaluation(session, job.job_id, counters["tiers"], counters["stages"])
        job.succeed(session, total=job.processed)


def _step(job: JobRun) -> Part:
    after = job.checkpoint.get("after")
    with job.transaction() as session:
        part = evaluate_part(session, UUID(after) if after else None, job.job_id)
        if part.last is not None:
            job.advance(
                session,
                processed=job.processed + part.evaluated,
                counters={
                    "tiers": job.counters.get("tiers", 0) + part.tiers,
                    "stages": job.counters.get("stages", 0) + part.stages,
                },
                checkpoint={"after": str(part.last)},
            )
    return part
