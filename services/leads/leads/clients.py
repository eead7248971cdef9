"""What this service asks other services for, over gRPC. The ports are beside the use cases that need them."""

from collections.abc import Collection
from typing import cast
from uuid import UUID

import grpc
from chassis.deadlines import Cancelled, DeadlineExceeded
from chassis.errors import Unavailable
from chassis.names import make_name, parse_name, parse_optional_name
from chassis.status import from_rpc_error
from crm.customers.v1.admission_service_pb2 import AdmitLeadRequest, LeadAdmission
from crm.customers.v1.admission_service_pb2_grpc import AdmissionServiceStub
from crm.customers.v1.customer_service_pb2 import BatchGetCustomersRequest, BatchGetCustomersResponse
from crm.customers.v1.customer_service_pb2_grpc import CustomerServiceStub

_SECONDS = 3.0
_UNKNOWN = (Unavailable, DeadlineExceeded, Cancelled)
"""Answers that leave open what has become of a write."""
MAX_NAMES = 200
"""How many customers one request may name."""


class GrpcAdmissions:
    """The admissions of the customers service over a channel that passes on the caller's token."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = AdmissionServiceStub(channel)

    def admit(self, request: AdmitLeadRequest) -> LeadAdmission:
        """See `leads.life.conversion_api.Admissions`."""
        try:
            return self._stub.AdmitLead(request, timeout=_SECONDS)
        except grpc.RpcError as error:
            refusal = from_rpc_error(error)
            if refusal is None or isinstance(refusal, _UNKNOWN):
                message = "whether the lead has become a customer is not known yet; ask for the same again"
                raise Unavailable("CUSTOMERS_UNAVAILABLE", message) from error
            raise refusal from error


class GrpcCustomers:
    """The customers service over a channel that passes on the caller's token."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = CustomerServiceStub(channel)

    def owners_of(self, customer_ids: Collection[UUID]) -> dict[UUID, UUID | None]:
        """See `leads.reachable.Customers`. Raises Unavailable if the service does not answer."""
        names = [make_name("customers", customer_id) for customer_id in customer_ids]
        found: dict[UUID, UUID | None] = {}
        for start in range(0, len(names), MAX_NAMES):
            request = BatchGetCustomersRequest(names=names[start : start + MAX_NAMES])
            for customer in self._answer(request).customers:
                owner_id = parse_optional_name("users", customer.owner, field="owner")
                found[parse_name("customers", customer.name)] = owner_id
        return found

    def phones_of(self, customer_id: UUID) -> list[str]:
        """See `leads.calls.making.Numbers`. Raises Unavailable if the service does not answer."""
        request = BatchGetCustomersRequest(names=[make_name("customers", customer_id)])
        return [phone for customer in self._answer(request).customers for phone in customer.phones]

    def _answer(self, request: BatchGetCustomersRequest) -> BatchGetCustomersResponse:
        try:
            return self._stub.BatchGetCustomers(request, timeout=_SECONDS)
        except grpc.RpcError as error:
            code = cast(grpc.Call, error).code()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise Unavailable("CUSTOMERS_UNAVAILABLE", "the customers service does not answer") from error
            raise
