"""The job that brings what is derived of all records up to date: after a change of definitions, weights or rules."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import jobs
from chassis.db import ServiceSession
from chassis.jobs import Job, JobKind, JobRun, JobState
from sqlalchemy import select

from customers.derived import refresh, refresh_contacts
from customers.model import Contact, Customer
from customers.own_fields import CONTACT_ENTITY, ENTITY

KIND = "refreshJobs"
PART = 500
"""Records in one transaction: nobody who works with them waits for longer than a fraction of a second."""


def queue_refresh(session: ServiceSession, entity: str) -> None:
    """Have what is derived of all records of an entity reckoned anew, unless that is about to happen anyway."""
    waiting = select(Job.id).where(
        Job.kind == KIND, Job.state == JobState.QUEUED, Job.options["entity"].astext == entity
    )
    # Locked, so that a process that takes the job now waits for what is being changed, and reads it then.
    if session.scalar(waiting.limit(1).with_for_update()) is None:
        jobs.create_job(session, KIND, {"entity": entity})


def refresh_nightly(session: ServiceSession, due: datetime) -> None:
    """Reckon everything anew, for what has changed by other ways than a change of the record itself."""
    queue_refresh(session, ENTITY)


def run_refresh(run: JobRun) -> None:
    """Go through all records by id, a part at a time."""
    contacts = run.options["entity"] == CONTACT_ENTITY
    while ids := _next(run, contacts=contacts):
        with run.transaction() as session:
            changed = refresh_contacts(session, ids) if contacts else refresh(session, ids)
            run.advance(
                session,
                processed=run.processed + len(ids),
                counters={"changed": run.counters.get("changed", 0) + changed},
                checkpoint={"after": str(ids[-1])},
            )
    with run.transaction() as session:
        if contacts:
            queue_refresh(session, ENTITY)  # whose roll-ups may be over what has just changed
        run.succeed(session, total=run.processed)


def job_kind() -> JobKind:
    """The job, for the service's description."""
    return JobKind(KIND, run_refresh)


def _next(run: JobRun, *, contacts: bool) -> Sequence[UUID]:
    entity = Contact if contacts else Customer
    statement = select(entity.id).order_by(entity.id).limit(PART)
    if "after" in run.checkpoint:
        statement = statement.where(entity.id > UUID(run.checkpoint["after"]))
    with run.reading() as session:
        return session.scalars(statement).all()
