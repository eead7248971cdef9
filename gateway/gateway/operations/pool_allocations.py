"""Fair allocation of customers out of public pools."""

import strawberry
from crm.customers.v1 import customer_pb2, pool_allocation_pb2
from crm.customers.v1 import pool_allocation_service_pb2 as pb

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_pool_allocation, pages
from gateway.operations.requests import RequestId
from gateway.types.pool_allocations import AllocationOutcome, PoolAllocation, PoolAllocationSettings


@strawberry.type
class PoolAllocationsQuery:
    @field("An allocation of customers of a pool: its progress, who got what, and why.")
    async def pool_allocation(self, info: Info, key: Key) -> PoolAllocation | None:
        return await get_pool_allocation(info.context, key)

    @field("The allocations of a pool, the newest first.")
    async def pool_allocations(
        self, info: Info, pool: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[PoolAllocation] | None:
        method, request = info.context.services.pool_allocations.ListPoolAllocations, pb.ListPoolAllocationsRequest
        return await connect(
            first, after, PoolAllocation, pages(info.context, method, request, "allocations", pool=pool)
        )

    @field("What came of each customer of an allocation.")
    async def pool_allocation_outcomes(
        self, info: Info, allocation: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[AllocationOutcome] | None:
        method = info.context.services.pool_allocations.ListAllocationOutcomes
        fetch = pages(info.context, method, pb.ListAllocationOutcomesRequest, "outcomes", allocation=allocation)
        return await connect(first, after, AllocationOutcome, fetch)

    @field("How customers of a pool are valued, and when they are shared out by themselves.")
    async def pool_allocation_settings(self, info: Info, pool: strawberry.ID) -> PoolAllocationSettings | None:
        request = pb.GetPoolAllocationSettingsRequest(pool=pool)
        method = info.context.services.pool_allocations.GetPoolAllocationSettings
        return PoolAllocationSettings(await info.context.calls(method, request))


@derive_input(pb.AllocationReceiver, required={"user"}, references={"user"})
class AllocationReceiverInput(Input[pb.AllocationReceiver]):
    pass


@derive_input(
    pb.AllocatePoolCustomersRequest,
    required={"pool", "receivers"},
    hide={"names", "filter", "request_id"},
    references={"pool"},
)
class AllocatePoolCustomersInput(Input[pb.AllocatePoolCustomersRequest]):
    customer_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Only these customers, at most 10,000; all of the pool if none is named."
    )
    filter: FilterInput | None = strawberry.field(
        default=None, description="Only customers that fulfil this. Not together with `customerIds`."
    )
    request_id: RequestId = None


@strawberry.input(description="Stops an allocation.")
class CancelPoolAllocationInput:
    id: strawberry.ID
    request_id: RequestId = None


@derive_input(pool_allocation_pb2.AllocationSchedule, required={"time"})
class AllocationScheduleInput(Input[pool_allocation_pb2.AllocationSchedule]):
    pass


@derive_input(
    pool_allocation_pb2.PoolAllocationSettings, required={"pool"}, hide={"schedule", "etag"}, references={"pool"}
)
class UpdatePoolAllocationSettingsInput(Input[pool_allocation_pb2.PoolAllocationSettings]):
    schedule: AllocationScheduleInput | None = strawberry.field(
        default=None, description="When customers are shared out by themselves; never if not given."
    )
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.type
class PoolAllocationsMutation:
    @mutation("Shares out customers of a pool fairly among several people. For its administrators.")
    async def allocate_pool_customers(
        self,
        info: Info,
        input: AllocatePoolCustomersInput,  # noqa: A002
    ) -> PoolAllocation | None:
        request = input.to_proto()
        request.names.extend(input.customer_ids or [])
        condition = to_filter(input.filter, customer_pb2.Customer.DESCRIPTOR)
        if condition is not None:
            request.filter.CopyFrom(condition)
        request.request_id = input.request_id or ""
        method = info.context.services.pool_allocations.AllocatePoolCustomers
        return PoolAllocation(await info.context.calls(method, request))

    @mutation("Stops an allocation of customers. What was given stays given.")
    async def cancel_pool_allocation(
        self,
        info: Info,
        input: CancelPoolAllocationInput,  # noqa: A002
    ) -> PoolAllocation | None:
        request = pb.CancelPoolAllocationRequest(name=input.id, request_id=input.request_id or "")
        method = info.context.services.pool_allocations.CancelPoolAllocation
        return PoolAllocation(await info.context.calls(method, request))

    @mutation("Says how customers of a pool are valued, and when they are shared out by themselves.")
    async def update_pool_allocation_settings(
        self,
        info: Info,
        input: UpdatePoolAllocationSettingsInput,  # noqa: A002
    ) -> PoolAllocationSettings | None:
        settings = input.to_proto()
        settings.etag = input.etag or ""
        if input.schedule is not None:
            settings.schedule.CopyFrom(input.schedule.to_proto())
        request = pb.UpdatePoolAllocationSettingsRequest(settings=settings, request_id=input.request_id or "")
        method = info.context.services.pool_allocations.UpdatePoolAllocationSettings
        return PoolAllocationSettings(await info.context.calls(method, request))
