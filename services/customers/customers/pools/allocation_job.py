"""Large and scheduled allocations, as jobs."""

from chassis.db import ServiceSession
from chassis.jobs import Cancelled, JobKind, JobRun, JobState

from customers.model.allocations import PoolAllocation
from customers.pools.allocating import give_some, plan, settle
from customers.usecases.allocate_pool_customers import JOBS


def _run(run: JobRun) -> None:
    while not _step(run):
        pass


def _step(run: JobRun) -> bool:
    """Plan the allocation, give some customers away, or settle it. Says whether it has ended."""
    with run.transaction() as session:
        allocation = _locked(session, run)
        ended = False
        if allocation.state == JobState.QUEUED:
            plan(session, allocation)
        elif allocation.dry_run or not give_some(session, allocation):
            ended = True
            allocation.processed = allocation.total
            settle(session, allocation, JobState.SUCCEEDED)
        session.flush()
        run.advance(session, processed=allocation.processed, counters={}, checkpoint={"state": allocation.state})
        if ended:
            run.succeed(session, total=allocation.total)
    return ended


def _locked(session: ServiceSession, run: JobRun) -> PoolAllocation:
    allocation = session.get(PoolAllocation, run.job_id, with_for_update=True)
    if allocation is None or JobState(allocation.state).ended:
        raise Cancelled
    return allocation


def _note_failure(run: JobRun, session: ServiceSession, reason: str, message: str) -> None:
    """Keep why an allocation cannot go on, and settle what was given."""
    allocation = _locked(session, run)
    allocation.failure_reason, allocation.failure_message = reason, message
    settle(session, allocation, JobState.FAILED)


JOB_KIND = JobKind(JOBS, _run, _note_failure)
