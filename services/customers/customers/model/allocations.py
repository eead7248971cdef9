"""Allocations of customers of pools, what they owe to whom, and when they happen by themselves."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis.names import make_name, new_id
from sqlalchemy import ForeignKey, Index, Numeric, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from customers.model.base import Base

_COUNT, _VALUE = Numeric(30, 9), Numeric(38, 6)


class PoolAllocation(Base):
    """An allocation: what was asked for, and what came of it. It outlives its pool."""

    __tablename__ = "pool_allocation"
    __table_args__ = (
        Index("ix_pool_allocation_pool", "pool_id", "create_time", "id"),
        Index(
            "uq_pool_allocation_under_way",
            "pool_id",
            unique=True,
            postgresql_where=text("state IN ('QUEUED', 'RUNNING') AND NOT dry_run"),
        ),
        Index(
            "uq_pool_allocation_scheduled",
            "pool_id",
            "scheduled_time",
            unique=True,
            postgresql_where=text("scheduled_time IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    """That of its job, if it has one."""
    pool_id: Mapped[UUID]
    scheduled_time: Mapped[datetime | None]
    state: Mapped[str]
    """The name of a `chassis.jobs.JobState`."""
    strategy: Mapped[str]
    seed: Mapped[int]
    dry_run: Mapped[bool]
    note: Mapped[str]
    options: Mapped[dict[str, Any]]
    """See `customers.pools.allocation_order`."""
    total: Mapped[int]
    processed: Mapped[int]
    given: Mapped[int]
    shares: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """See `customers.pools.shares`."""
    failure_reason: Mapped[str]
    failure_message: Mapped[str]
    creator: Mapped[str]
    create_time: Mapped[datetime]
    end_time: Mapped[datetime | None]

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name("poolAllocations", self.id)


class PoolAllocationItem(Base):
    """A customer of an allocation. It is done with once its number is at most the allocation's `processed`."""

    __tablename__ = "pool_allocation_item"

    allocation_id: Mapped[UUID] = mapped_column(ForeignKey("pool_allocation.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    customer_id: Mapped[UUID]
    user_id: Mapped[UUID | None]
    """Who is to get it."""
    value: Mapped[Decimal] = mapped_column(_VALUE)
    reason: Mapped[str]
    """Why nobody gets it; else empty."""


class PoolFairness(Base):
    """What the allocations of a pool owe somebody: entitlements minus what was received."""

    __tablename__ = "pool_fairness"

    pool_id: Mapped[UUID] = mapped_column(ForeignKey("pool.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    count_debt: Mapped[Decimal] = mapped_column(_COUNT)
    value_debt: Mapped[Decimal] = mapped_column(_VALUE)
    update_time: Mapped[datetime]


class PoolAllocationSetting(Base):
    """How customers of a pool are valued, and when they are allocated by themselves."""

    __tablename__ = "pool_allocation_setting"

    pool_id: Mapped[UUID] = mapped_column(ForeignKey("pool.id", ondelete="CASCADE"), primary_key=True)
    value_field: Mapped[str]
    schedule: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """See `customers.pools.schedules`."""
    since: Mapped[datetime]
    """When the schedule was made: nothing is due before."""
    version: Mapped[int]
