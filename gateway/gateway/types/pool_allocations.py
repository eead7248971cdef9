"""Allocations of customers of public pools."""

from crm.customers.v1 import pool_allocation_pb2 as pb

from gateway.deriver import Record, derive
from gateway.nodes import Node


@derive(pb.AllocationShare, required={"user"}, relations={"user": "users"})
class AllocationShare(Record[pb.AllocationShare]):
    pass


@derive(
    pb.PoolAllocation,
    required={"pool", "state", "strategy", "creator"},
)
class PoolAllocation(Record[pb.PoolAllocation], Node):
    pass


@derive(pb.AllocationOutcome, required={"customer"}, relations={"customer": "customers", "user": "users"})
class AllocationOutcome(Record[pb.AllocationOutcome]):
    pass


@derive(pb.AllocationSchedule, required={"strategy", "time"})
class AllocationSchedule(Record[pb.AllocationSchedule]):
    pass


@derive(pb.PoolAllocationSettings, required={"pool", "etag"})
class PoolAllocationSettings(Record[pb.PoolAllocationSettings]):
    pass
