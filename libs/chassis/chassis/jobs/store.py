"""Creating jobs, looking at them, and ending them."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, and_, delete, func, not_, or_, select, true, union, update
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import aliased

from chassis import audit
from chassis.callers import Caller, Grant, Reach
from chassis.db import ServiceSession
from chassis.errors import Conflict, NotFound
from chassis.field_rules import FieldEffect
from chassis.jobs.model import Job, JobError, JobFile, JobState
from chassis.names import make_name, new_id
from chassis.telemetry import current_traceparent

CHANNEL = "job"
"""The PostgreSQL channel that a new job is announced on."""

FILES_KEPT = timedelta(days=7)
"""How long the files of a job that has ended are kept."""

JOBS_KEPT = timedelta(days=180)

_PAGE = 500


def create_job(
    session: ServiceSession, kind: str, options: Mapping[str, Any], *, input_file: UUID | None = None
) -> Job:
    """Queue a job. It runs with the rights that the session's caller has now."""
    job = Job(
        id=new_id(),
        kind=kind,
        state=JobState.QUEUED,
        creator=session.caller.subject,
        caller=_pack_caller(session.caller),
        options=dict(options),
        traceparent=current_traceparent(),
        input_file=input_file,
        total=0,
        processed=0,
        counters={},
        checkpoint={},
        result={},
        failure_reason="",
        failure_message="",
        create_time=session.now,
        lock_key=secrets.randbits(63),
        attempt=0,
        stalls=0,
    )
    session.add(job)
    session.flush()
    session.announce(CHANNEL)
    audit.record(session, "job.create", make_name(kind, job.id), None, job.options)
    return job


def visible_jobs(session: ServiceSession, kind: str, permission: str) -> Select[Job]:
    """The jobs of a kind that the caller may see: its own, and all if its scope reaches everything."""
    statement = select(Job).where(Job.kind == kind)
    if session.caller.scope(permission).everything:
        return statement
    return statement.where(Job.creator == session.caller.subject)


def get_job(session: ServiceSession, kind: str, job_id: UUID, permission: str) -> Job:
    """A job that the caller may see. Raises NotFound JOB_NOT_FOUND otherwise."""
    job = session.scalar(visible_jobs(session, kind, permission).where(Job.id == job_id))
    if job is None:
        raise NotFound("JOB_NOT_FOUND", "there is no such job")
    return job


def cancel_job(session: ServiceSession, kind: str, job_id: UUID, permission: str) -> Job:
    """Stop a job. What it committed stays; it commits nothing after this does. Raises Conflict JOB_ENDED."""
    statement = visible_jobs(session, kind, permission).where(Job.id == job_id).with_for_update()
    job = session.scalar(statement)
    if job is None:
        raise NotFound("JOB_NOT_FOUND", "there is no such job")
    if JobState(job.state).ended:
        raise Conflict("JOB_ENDED", "the job has ended already", state=job.state)
    audit.record(session, "job.cancel", make_name(kind, job.id), {"state": job.state}, {"state": JobState.CANCELLED})
    job.state, job.end_time = JobState.CANCELLED, session.now
    return job


def refused_rows(session: ServiceSession, job_id: UUID, limit: int | None = None) -> Iterator[JobError]:
    """The rows that a job refused, in order, some hundred in memory at a time."""
    after, left = 0, limit
    while left is None or left > 0:
        page: Sequence[JobError] = session.scalars(
            select(JobError)
            .where(JobError.job_id == job_id, JobError.row > after)
            .order_by(JobError.row)
            .limit(_PAGE if left is None else min(_PAGE, left))
        ).all()
        yield from page
        if not page:
            return
        after = page[-1].row
        left = None if left is None else left - len(page)
        session.expunge_all()


def first_refused(session: ServiceSession, job_ids: Sequence[UUID], limit: int) -> dict[UUID, list[JobError]]:
    """The first rows that each of some jobs refused."""
    job = select(func.unnest(array(job_ids, type_=Uuid)).label("id")).subquery("wanted")
    first = select(JobError).where(JobError.job_id == job.c.id).order_by(JobError.row).limit(limit).lateral("first")
    refused = aliased(JobError, first)
    found: dict[UUID, list[JobError]] = {job_id: [] for job_id in job_ids}
    if job_ids:
        for error in session.scalars(select(refused).select_from(job).join(first, true()).order_by(refused.row)):
            found[error.job_id].append(error)
    return found


def purge(session: ServiceSession) -> None:
    """Remove the files of jobs that ended a while ago, and jobs that ended long ago, by the business time."""
    ended = Job.state.in_([state for state in JobState if state.ended])
    expired = and_(ended, Job.end_time < session.now - FILES_KEPT)
    old = union(select(Job.input_file).where(expired), select(Job.output_file).where(expired))
    needed = select(Job.id).where(or_(Job.input_file == JobFile.id, Job.output_file == JobFile.id), not_(expired))
    session.execute(delete(JobFile).where(JobFile.id.in_(old), ~needed.exists()))
    session.execute(delete(Job).where(ended, Job.end_time < session.now - JOBS_KEPT))


def take(session: ServiceSession, job_id: UUID) -> Job | None:
    """Take a job that waits or was left behind, for the process that holds its lock. None if it has ended."""
    return session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
        .values(
            state=JobState.RUNNING,
            attempt=Job.attempt + 1,
            stalls=Job.stalls + 1,
            taken_time=func.clock_timestamp(),
            start_time=func.coalesce(Job.start_time, session.now),
        )
        .returning(Job)
    )


def _pack_caller(caller: Caller) -> dict[str, Any]:
    grants = {permission: [asdict(grant) for grant in grants] for permission, grants in caller.grants.items()}
    return {
        "subject": caller.subject,
        "user_id": str(caller.user_id) if caller.user_id else None,
        "department_path": caller.department_path,
        "grants": grants,
        "partner_id": str(caller.partner_id) if caller.partner_id else None,
        "field_rules": {entity: dict(rules) for entity, rules in caller.field_rules.items()},
    }


def unpack_caller(packed: Mapping[str, Any]) -> Caller:
    """The caller that a job was created by. It has no token: a job calls no other service in its creator's name."""
    grants = {
        permission: tuple(Grant(g["permission"], Reach(g["reach"]), tuple(g["department_paths"])) for g in grants)
        for permission, grants in packed["grants"].items()
    }
    user_id = packed["user_id"]
    return Caller(
        packed["subject"],
        UUID(user_id) if user_id else None,
        packed["department_path"],
        grants,
        partner_id=UUID(packed["partner_id"]) if packed.get("partner_id") else None,
        field_rules={
            entity: {field: FieldEffect(effect) for field, effect in rules.items()}
            for entity, rules in packed.get("field_rules", {}).items()
        },
    )
