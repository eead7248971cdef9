"""Start the allocations of pools that are due."""

from datetime import datetime

from chassis.db import ServiceSession
from chassis.organisation import organisation
from sqlalchemy import select

from customers.model.allocations import PoolAllocation, PoolAllocationSetting
from customers.model.pools import Pool
from customers.pools.schedules import Schedule, order_of
from customers.usecases.allocate_pool_customers import AllocationDraft, lock_allocations, start_job, under_way


def allocate_by_schedule(session: ServiceSession, due: datetime) -> None:
    """Start a job for each pool whose schedule has come due since it last did. After downtime the last time counts."""
    zone = organisation(session).zone
    statement = (
        select(PoolAllocationSetting, Pool)
        .join(Pool, Pool.id == PoolAllocationSetting.pool_id)
        .where(PoolAllocationSetting.schedule.is_not(None), ~Pool.disabled)
        .order_by(Pool.id)
    )
    for setting, pool in session.execute(statement).all():
        assert setting.schedule is not None
        schedule = Schedule.from_json(setting.schedule)
        planned = schedule.last_due(due, zone)
        if planned > setting.since:
            _start(session, pool, schedule, planned)


def _start(session: ServiceSession, pool: Pool, schedule: Schedule, planned: datetime) -> None:
    lock_allocations(session, pool.id)
    done = select(PoolAllocation.id).where(PoolAllocation.pool_id == pool.id, PoolAllocation.scheduled_time >= planned)
    # One that is under way is waited for: the timer looks again soon.
    if session.scalar(done) is not None or under_way(session, pool.id):
        return
    order = order_of(session, pool, schedule)
    if order is not None:
        start_job(session, AllocationDraft(pool.id, order, schedule.strategy, scheduled_time=planned))
