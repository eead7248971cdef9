"""The gRPC methods of RecycleService: open a transaction, call, map."""

from typing import Any

from chassis.calls import Calls
from chassis.errors import Conflict
from chassis.names import parse_name
from crm.customers.v1 import recycle_pb2, recycle_service_pb2, recycle_service_pb2_grpc

from customers.recycling import mapping, queries
from customers.usecases.set_customer_standing import set_customer_standing


class RecycleServicer(recycle_service_pb2_grpc.RecycleServiceServicer):
    """Implements RecycleService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ExplainRecycling(
        self, request: recycle_service_pb2.ExplainRecyclingRequest, context: Any
    ) -> recycle_pb2.RecycleClock:
        customer_id = parse_name("customers", request.name)
        with self.calls.read() as session:
            clocks, row = queries.explain_recycling(session, customer_id)
        if row is None:
            raise Conflict("NO_OWNER", "nobody looks after this customer", customer=request.name)
        return mapping.clock_to_proto(clocks, row)

    def ListRecycleRuns(
        self, request: recycle_service_pb2.ListRecycleRunsRequest, context: Any
    ) -> recycle_service_pb2.ListRecycleRunsResponse:
        with self.calls.read() as session:
            page = queries.list_recycle_runs(session, page_size=request.page_size, page_token=request.page_token)
        return recycle_service_pb2.ListRecycleRunsResponse(
            runs=map(mapping.run_to_proto, page.rows), next_page_token=page.next_token
        )

    def SetCustomerStanding(
        self, request: recycle_service_pb2.SetCustomerStandingRequest, context: Any
    ) -> recycle_pb2.CustomerStanding:
        customer_id = parse_name("customers", request.standing.customer, field="standing.customer")
        standing = mapping.standing_from_proto(request.standing)
        return self.calls.write(
            request,
            recycle_pb2.CustomerStanding,
            lambda session: mapping.standing_to_proto(set_customer_standing(session, customer_id, standing)),
        )
