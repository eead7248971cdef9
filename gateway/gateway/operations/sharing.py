"""Sharing single customers."""

import strawberry
from crm.customers.v1 import customer_share_service_pb2

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.sharing import CustomerShare


@strawberry.type
class SharingQuery:
    @field("With whom a customer is shared now, the newest share first.")
    async def customer_shares(
        self, info: Info, customer: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[CustomerShare] | None:
        method = info.context.services.customer_shares.ListCustomerShares
        request = customer_share_service_pb2.ListCustomerSharesRequest
        fetch = pages(info.context, method, request, "customer_shares", customer=customer)
        return await connect(first, after, CustomerShare, fetch)


@derive_input(
    customer_share_service_pb2.ShareCustomerRequest,
    required={"name", "level"},
    hide={"request_id"},
    references={"user", "department"},
)
class ShareCustomerInput(Input[customer_share_service_pb2.ShareCustomerRequest]):
    request_id: RequestId = None


@strawberry.input(description="Which share to take back.")
class UnshareCustomerInput:
    id: strawberry.ID = strawberry.field(description="The share, `customerShares/{uuid}`.")
    request_id: RequestId = None


@strawberry.type
class SharingMutation:
    @mutation("Shares a customer with a user, or with a department and all below it, or changes how it is shared.")
    async def share_customer(self, info: Info, input: ShareCustomerInput) -> CustomerShare | None:  # noqa: A002
        request = input.to_proto()
        request.request_id = input.request_id or ""
        return CustomerShare(await info.context.calls(info.context.services.customer_shares.ShareCustomer, request))

    @mutation("Takes a share of a customer back and returns its id. It ends at once.")
    async def unshare_customer(self, info: Info, input: UnshareCustomerInput) -> strawberry.ID | None:  # noqa: A002
        request = customer_share_service_pb2.UnshareCustomerRequest(name=input.id, request_id=input.request_id or "")
        await info.context.calls(info.context.services.customer_shares.UnshareCustomer, request)
        return input.id
