"""Reads: allocations of pools, and what came of their customers."""

from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.paging import Page, SortKey
from sqlalchemy import select

from customers.model.allocations import PoolAllocation, PoolAllocationItem, PoolAllocationSetting
from customers.model.pools import PoolRole
from customers.pools.access import MANAGE, OpenPool, pool_of_member, require_administrator, roles_of

_NEWEST = [
    SortKey(column, descending=True, nullable=False) for column in (PoolAllocation.create_time, PoolAllocation.id)
]


def find_allocation(session: ServiceSession, allocation_id: UUID, *, lock: bool = False) -> PoolAllocation:
    """An allocation of a pool that the caller administers or manages. Raises NotFound for others."""
    statement = select(PoolAllocation).where(PoolAllocation.id == allocation_id)
    allocation = session.scalar(statement.with_for_update() if lock else statement)
    if allocation is None or not _may_see(session, allocation.pool_id):
        raise NotFound("ALLOCATION_NOT_FOUND", "there is no such allocation")
    return allocation


def _may_see(session: ServiceSession, pool_id: UUID) -> bool:
    administers = roles_of(session, session.caller).get(pool_id) is PoolRole.ADMINISTRATOR
    return administers or bool(session.caller.granted(MANAGE))


def list_allocations(
    session: ServiceSession, pool_id: UUID, *, page_size: int, page_token: str
) -> Page[PoolAllocation]:
    """A page of a pool's allocations, the newest first."""
    size = paging.page_size(page_size)
    administered(session, pool_id)
    statement = select(PoolAllocation).where(PoolAllocation.pool_id == pool_id)
    mark = paging.fingerprint("pool allocations", str(pool_id))
    return paging.fetch_page(session, statement, _NEWEST, size, page_token, mark)


def list_outcomes(
    session: ServiceSession, allocation_id: UUID, *, page_size: int, page_token: str
) -> tuple[PoolAllocation, Page[PoolAllocationItem]]:
    """A page of what came of an allocation's customers, in the order in which they are given."""
    size = paging.page_size(page_size)
    allocation = find_allocation(session, allocation_id)
    statement = select(PoolAllocationItem).where(PoolAllocationItem.allocation_id == allocation_id)
    key = SortKey(PoolAllocationItem.number, nullable=False)
    mark = paging.fingerprint("allocation outcomes", str(allocation_id))
    return allocation, paging.fetch_page(session, statement, [key], size, page_token, mark)


def settings_of(session: ServiceSession, pool_id: UUID) -> PoolAllocationSetting | None:
    """The settings of a pool that the caller administers or manages; None as long as nobody made any."""
    administered(session, pool_id)
    return session.get(PoolAllocationSetting, pool_id)


def administered(session: ServiceSession, pool_id: UUID) -> OpenPool:
    """A pool that the caller administers or manages. Raises NotFound or Denied."""
    pool = pool_of_member(session, pool_id)
    if not session.caller.granted(MANAGE):
        require_administrator(pool)
    return pool
