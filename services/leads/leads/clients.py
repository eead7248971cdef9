"""What this service asks other services for, over gRPC. The ports are beside the use cases that need them."""

from typing import cast
from uuid import UUID

import grpc
from chassis.errors import NotFound, Unavailable
from chassis.names import make_name, parse_optional_name
from crm.customers.v1.customer_service_pb2 import GetCustomerRequest
from crm.customers.v1.customer_service_pb2_grpc import CustomerServiceStub

_SECONDS = 3.0


class GrpcCustomers:
    """The customers service over a channel that passes on the caller's token."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = CustomerServiceStub(channel)

    def owner_of(self, customer_id: UUID) -> UUID | None:
        """See `leads.usecases.log_follow_up.Customers`. Raises Unavailable if the service does not answer."""
        request = GetCustomerRequest(name=make_name("customers", customer_id))
        try:
            customer = self._stub.GetCustomer(request, timeout=_SECONDS)
        except grpc.RpcError as error:
            code = cast(grpc.Call, error).code()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise Unavailable("CUSTOMERS_UNAVAILABLE", "the customers service does not answer") from error
            if code is grpc.StatusCode.NOT_FOUND:
                raise NotFound("CUSTOMER_NOT_FOUND", "there is no such customer, or you may not see it") from None
            raise
        return parse_optional_name("users", customer.owner, field="owner")
