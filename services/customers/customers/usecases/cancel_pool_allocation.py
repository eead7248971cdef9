"""Stop an allocation."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.jobs import Job, JobState
from sqlalchemy import select

from customers.model.allocations import PoolAllocation
from customers.pools.allocating import settle
from customers.pools.allocation_queries import find_allocation


def cancel_pool_allocation(session: ServiceSession, allocation_id: UUID) -> PoolAllocation:
    """Stop an allocation under way. What was given stays given. Raises Conflict JOB_ENDED."""
    # The job locks the allocation before its own row, too.
    allocation = find_allocation(session, allocation_id, lock=True)
    if JobState(allocation.state).ended:
        raise Conflict("JOB_ENDED", "the job has ended already", state=allocation.state)
    job = session.scalars(select(Job).where(Job.id == allocation_id).with_for_update()).one()
    audit.record(session, "job.cancel", allocation.name, {"state": job.state}, {"state": JobState.CANCELLED})
    job.state, job.end_time = JobState.CANCELLED, session.now
    settle(session, allocation, JobState.CANCELLED)
    return allocation
