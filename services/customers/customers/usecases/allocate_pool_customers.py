"""Share out customers of a pool among several people."""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.jobs import JobState, create_job
from chassis.names import make_name, new_id
from sqlalchemy import select, text

from customers.model.allocations import PoolAllocation
from customers.pools.access import ensure_enabled, pool_of_member, require_administrator
from customers.pools.allocating import candidates, give_some, plan, settle
from customers.pools.allocation_order import Order, Strategy
from customers.pools.rules import note_text

JOBS = "poolAllocations"
AT_ONCE = 500
"""So many customers are given in the call itself; more are given by a job."""

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('allocation', 0) # hashtextextended(:pool, 0))")


@dataclass(frozen=True)
class AllocationDraft:
    """An allocation as somebody asks for it."""

    pool_id: UUID
    order: Order
    strategy: Strategy
    seed: int | None = None
    """What chance is drawn from; None to draw it."""
    dry_run: bool = False
    note: str = ""
    scheduled_time: datetime | None = None


def allocate_pool_customers(session: ServiceSession, draft: AllocationDraft) -> PoolAllocation:
    """Allocate a few customers now, or many by a job. Raises Conflict ALLOCATION_UNDER_WAY or NO_RECEIVERS."""
    note = note_text(draft.note)
    pool = pool_of_member(session, draft.pool_id)
    require_administrator(pool)
    ensure_enabled(pool.pool)
    lock_allocations(session, draft.pool_id)
    if not draft.dry_run and under_way(session, draft.pool_id):
        raise Conflict("ALLOCATION_UNDER_WAY", "customers of this pool are just being allocated: wait or cancel it")
    some = replace(draft.order, most=min(draft.order.most, AT_ONCE + 1))
    if len(candidates(session, draft.pool_id, some)) > AT_ONCE:
        return start_job(session, draft, note)
    allocation = _allocation(session, new_id(), draft, note)
    plan(session, allocation)
    if not allocation.dry_run:
        while give_some(session, allocation):
            pass
    else:
        allocation.processed = allocation.total
        pool_name = make_name("pools", draft.pool_id)
        audit.record(session, "pool_allocation.preview", allocation.name, None, {"pool": pool_name})
    settle(session, allocation, JobState.SUCCEEDED)
    session.flush()
    return allocation


def start_job(session: ServiceSession, draft: AllocationDraft, note: str = "") -> PoolAllocation:
    """Let a job do it."""
    options = {"pool": make_name("pools", draft.pool_id), "strategy": draft.strategy, "dry_run": draft.dry_run}
    job = create_job(session, JOBS, options)
    return _allocation(session, job.id, draft, note)


def lock_allocations(session: ServiceSession, pool_id: UUID) -> None:
    """Judge the allocations of a pool one after the other until the transaction ends."""
    session.execute(_LOCK, {"pool": str(pool_id)})


def under_way(session: ServiceSession, pool_id: UUID) -> bool:
    """Whether customers of a pool are just being allocated."""
    statement = select(PoolAllocation.id).where(
        PoolAllocation.pool_id == pool_id,
        PoolAllocation.state.in_([JobState.QUEUED, JobState.RUNNING]),
        ~PoolAllocation.dry_run,
    )
    return session.scalar(statement) is not None


def _allocation(session: ServiceSession, key: UUID, draft: AllocationDraft, note: str) -> PoolAllocation:
    allocation = PoolAllocation(
        id=key,
        pool_id=draft.pool_id,
        scheduled_time=draft.scheduled_time,
        state=JobState.QUEUED,
        strategy=draft.strategy,
        seed=secrets.randbits(31) if draft.seed is None else draft.seed,
        dry_run=draft.dry_run,
        note=note,
        options=draft.order.to_json(),
        total=0,
        processed=0,
        given=0,
        shares=[],
        failure_reason="",
        failure_message="",
        creator=session.caller.subject,
        create_time=session.now,
    )
    session.add(allocation)
    session.flush()
    return allocation
