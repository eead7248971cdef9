"""Start the run of a day, and note how far it comes."""

from datetime import date
from uuid import UUID

from chassis import jobs
from chassis.db import ServiceSession
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from customers.model import RecycleRun, RecycleRunState

JOBS = "recycleRuns"


def start_recycling(session: ServiceSession, day: date) -> None:
    """Start the run of a day. A day whose run there was begins anew: it is asked for again only if the clock was moved
    back, and takes no customer that is not due."""
    job = jobs.create_job(session, JOBS, {"day": day.isoformat()})
    values = {
        "job_id": job.id,
        "state": RecycleRunState.RUNNING.value,
        "position": None,
        "recycled": 0,
        "create_time": session.now,
        "end_time": None,
    }
    statement = insert(RecycleRun).values(day=day, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["day"], set_=values))


def lock_run(session: ServiceSession, day: date, job_id: UUID) -> RecycleRun | None:
    """The run of a day, locked; None if another job has taken its place."""
    mine = (RecycleRun.day == day, RecycleRun.job_id == job_id)
    return session.scalar(select(RecycleRun).where(*mine).with_for_update())


def end_run(session: ServiceSession, run: RecycleRun, state: RecycleRunState) -> None:
    """Note that a run has ended."""
    run.state, run.end_time, run.position = state.value, session.now, None
