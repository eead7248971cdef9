"""Which jobs wait for a process."""

from uuid import UUID

from sqlalchemy import text

from chassis.db import ServiceSession

# A job that runs holds its lock. One that keeps dying without a checkpoint waits ever longer for its next attempt.
_WAITING = text(
    """
    SELECT job.id, job.lock_key
    FROM job
    WHERE job.state IN ('QUEUED', 'RUNNING')
      AND (job.stalls < 2 OR job.taken_time < clock_timestamp() - make_interval(secs => power(2, job.stalls)))
      AND NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (classid::bigint << 32 | objid::bigint) = job.lock_key)
    ORDER BY job.id
    LIMIT 10
    """
)


def waiting_jobs(session: ServiceSession) -> list[tuple[UUID, int]]:
    """The id and lock of the jobs that no process works on, the oldest first."""
    return [(row.id, row.lock_key) for row in session.execute(_WAITING)]
