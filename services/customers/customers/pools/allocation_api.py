"""The gRPC methods of PoolAllocationService: open a transaction, call, map."""

from typing import Any

from chassis.calls import Calls
from chassis.names import parse_name
from crm.customers.v1 import pool_allocation_pb2, pool_allocation_service_pb2_grpc
from crm.customers.v1 import pool_allocation_service_pb2 as pb

from customers.pools import allocation_mapping as mapping
from customers.pools.allocation_queries import find_allocation, list_allocations, list_outcomes, settings_of
from customers.usecases.allocate_pool_customers import JOBS, allocate_pool_customers
from customers.usecases.cancel_pool_allocation import cancel_pool_allocation
from customers.usecases.update_allocation_settings import update_allocation_settings


class PoolAllocationServicer(pool_allocation_service_pb2_grpc.PoolAllocationServiceServicer):
    """Implements PoolAllocationService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def AllocatePoolCustomers(
        self, request: pb.AllocatePoolCustomersRequest, context: Any
    ) -> pool_allocation_pb2.PoolAllocation:
        draft = mapping.draft_from_proto(request)
        return self.calls.write(
            request,
            pool_allocation_pb2.PoolAllocation,
            lambda session: mapping.allocation_to_proto(allocate_pool_customers(session, draft)),
        )

    def CancelPoolAllocation(
        self, request: pb.CancelPoolAllocationRequest, context: Any
    ) -> pool_allocation_pb2.PoolAllocation:
        key = parse_name(JOBS, request.name)
        return self.calls.write(
            request,
            pool_allocation_pb2.PoolAllocation,
            lambda session: mapping.allocation_to_proto(cancel_pool_allocation(session, key)),
        )

    def GetPoolAllocation(
        self, request: pb.GetPoolAllocationRequest, context: Any
    ) -> pool_allocation_pb2.PoolAllocation:
        with self.calls.read() as session:
            return mapping.allocation_to_proto(find_allocation(session, parse_name(JOBS, request.name)))

    def ListPoolAllocations(
        self, request: pb.ListPoolAllocationsRequest, context: Any
    ) -> pb.ListPoolAllocationsResponse:
        pool_id = parse_name("pools", request.pool, field="pool")
        with self.calls.read() as session:
            page = list_allocations(session, pool_id, page_size=request.page_size, page_token=request.page_token)
        return pb.ListPoolAllocationsResponse(
            allocations=map(mapping.allocation_to_proto, page.rows), next_page_token=page.next_token
        )

    def ListAllocationOutcomes(
        self, request: pb.ListAllocationOutcomesRequest, context: Any
    ) -> pb.ListAllocationOutcomesResponse:
        key = parse_name(JOBS, request.allocation, field="allocation")
        with self.calls.read() as session:
            allocation, page = list_outcomes(session, key, page_size=request.page_size, page_token=request.page_token)
        return pb.ListAllocationOutcomesResponse(
            outcomes=[mapping.outcome_to_proto(allocation, item) for item in page.rows],
            next_page_token=page.next_token,
        )

    def GetPoolAllocationSettings(
        self, request: pb.GetPoolAllocationSettingsRequest, context: Any
    ) -> pool_allocation_pb2.PoolAllocationSettings:
        pool_id = parse_name("pools", request.pool, field="pool")
        with self.calls.read() as session:
            return mapping.settings_to_proto(request.pool, settings_of(session, pool_id))

    def UpdatePoolAllocationSettings(
        self, request: pb.UpdatePoolAllocationSettingsRequest, context: Any
    ) -> pool_allocation_pb2.PoolAllocationSettings:
        stated = request.settings
        pool_id = parse_name("pools", stated.pool, field="settings.pool")
        draft = mapping.settings_from_proto(stated)
        return self.calls.write(
            request,
            pool_allocation_pb2.PoolAllocationSettings,
            lambda session: mapping.settings_to_proto(
                stated.pool, update_allocation_settings(session, pool_id, draft, stated.etag)
            ),
        )
