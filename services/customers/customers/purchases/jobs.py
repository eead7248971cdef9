"""The job that scores customers."""

from chassis.db import ServiceSession
from chassis.jobs import JobKind, JobRun

from customers.usecases.run_rfm import JOBS, do_rfm, fail_rfm


def _run(run: JobRun) -> None:
    with run.transaction() as session:
        done = do_rfm(session, run.job_id)
        run.advance(session, processed=done.customer_count, counters={}, checkpoint={})
        run.succeed(session, total=done.customer_count)


def _failed(run: JobRun, session: ServiceSession, reason: str, message: str) -> None:
    fail_rfm(session, run.job_id, reason)


JOB_KINDS = (JobKind(JOBS, _run, _failed),)
