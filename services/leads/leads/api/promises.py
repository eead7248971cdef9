"""PromiseService."""

from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_name
from crm.leads.v1 import promise_service_pb2, promise_service_pb2_grpc

from leads import mapping
from leads.promises import list_promises
from leads.usecases.acknowledge_promises import acknowledge_promises


class PromiseServicer(promise_service_pb2_grpc.PromiseServiceServicer):
    """Implements PromiseService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListPromises(
        self, request: promise_service_pb2.ListPromisesRequest, context: Any
    ) -> promise_service_pb2.ListPromisesResponse:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            page = list_promises(session, customer_id, page_size=request.page_size, page_token=request.page_token)
        return promise_service_pb2.ListPromisesResponse(
            promises=map(mapping.follow_up_to_proto, page.rows), next_page_token=page.next_token
        )

    def AcknowledgePromises(
        self, request: promise_service_pb2.AcknowledgePromisesRequest, context: Any
    ) -> promise_service_pb2.AcknowledgePromisesResponse:
        customer_id = parse_name("customers", request.customer, field="customer")

        def acknowledge(session: ServiceSession) -> promise_service_pb2.AcknowledgePromisesResponse:
            count = acknowledge_promises(session, customer_id)
            return promise_service_pb2.AcknowledgePromisesResponse(acknowledged=count)

        return self.calls.write(request, promise_service_pb2.AcknowledgePromisesResponse, acknowledge)
