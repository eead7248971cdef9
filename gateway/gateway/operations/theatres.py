"""Theatres that follow customers together."""

import strawberry
from crm.customers.v1 import customer_theatre_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.theatres import CustomerTheatre


@strawberry.type
class TheatresQuery:
    @field("The theatres that look after a customer, the owner's first. Others' are shown without what is their own.")
    async def customer_theatres(
        self, info: Info, customer: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[CustomerTheatre] | None:
        method = info.context.services.theatres.ListCustomerTheatres
        fetch = pages(info.context, method, pb.ListCustomerTheatresRequest, "customer_theatres", customer=customer)
        return await connect(first, after, CustomerTheatre, fetch)


@derive_input(
    pb.AssignCustomerTheatreRequest,
    required={"customer", "owner"},
    hide={"request_id"},
    references={"customer", "owner"},
)
class AssignCustomerTheatreInput(Input[pb.AssignCustomerTheatreRequest]):
    request_id: RequestId = None


@strawberry.input(description="Which theatre is to follow its customer no more.")
class EndCustomerTheatreInput:
    id: strawberry.ID = strawberry.field(description="What it does with the customer, `customerTheatres/{uuid}`.")
    request_id: RequestId = None


@strawberry.type
class TheatresMutation:
    @mutation(
        "Lets a user follow a customer for their theatre beside the customer's owner, or gives what the theatre "
        "follows to another of its people."
    )
    async def assign_customer_theatre(
        self,
        info: Info,
        input: AssignCustomerTheatreInput,  # noqa: A002
    ) -> CustomerTheatre | None:
        request = input.to_proto()
        request.request_id = input.request_id or ""
        return CustomerTheatre(await info.context.calls(info.context.services.theatres.AssignCustomerTheatre, request))

    @mutation("Ends that a theatre follows a customer beside its owner, and returns its id.")
    async def end_customer_theatre(
        self,
        info: Info,
        input: EndCustomerTheatreInput,  # noqa: A002
    ) -> strawberry.ID | None:
        request = pb.EndCustomerTheatreRequest(name=input.id, request_id=input.request_id or "")
        await info.context.calls(info.context.services.theatres.EndCustomerTheatre, request)
        return input.id
