"""Queueing scans, of which there is one at a time: two would undo each other's groups."""

from uuid import UUID

from chassis import locks
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.jobs import Job, JobState, create_job
from sqlalchemy import select

KIND = "duplicateScanJobs"
AGAIN = "again"
"""The option of a scan under way that another one must follow, as customers came in that it may have passed."""


def start_scan(session: ServiceSession) -> Job:
    """Queue a scan. Raises Conflict SCAN_RUNNING while there is one."""
    if _open_scan(session) is not None:
        raise Conflict("SCAN_RUNNING", "a scan is under way: wait for its end")
    return create_job(session, KIND, {})


def require_scan(session: ServiceSession) -> None:
    """See to it that a scan begins after the session's transaction: queue one unless one waits, and have one that is
    under way followed by another."""
    scan = _open_scan(session)
    if scan is None:
        create_job(session, KIND, {})
    elif scan.state == JobState.RUNNING:
        scan.options = {**scan.options, AGAIN: True}
        session.flush()


def follow_scan(session: ServiceSession, job_id: UUID) -> None:
    """Queue the scan that must follow one, if any must. Call when it has ended, after `hold_scans`."""
    options = session.scalar(select(Job.options).where(Job.id == job_id)) or {}
    if options.get(AGAIN):
        create_job(session, KIND, {})


def hold_scans(session: ServiceSession) -> None:
    """Let nobody else start or require a scan until the transaction ends."""
    locks.hold(session, KIND)


def _open_scan(session: ServiceSession) -> Job | None:
    """The scan that waits or is under way, locked, so that it neither begins nor ends meanwhile."""
    hold_scans(session)
    is_open = Job.state.in_([JobState.QUEUED, JobState.RUNNING])
    return session.scalars(select(Job).where(Job.kind == KIND, is_open).with_for_update()).first()
