"""When and why customers fall back into pools by themselves."""

import strawberry
from crm.customers.v1 import recycle_pb2
from crm.customers.v1 import recycle_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.recycling import CustomerStanding, RecycleClock, RecycleRun


@strawberry.type
class RecyclingQuery:
    @field("The clock of a customer: when it started, what stops it, and when the customer falls back into a pool.")
    async def recycle_day(self, info: Info, customer: strawberry.ID) -> RecycleClock | None:
        request = pb.ExplainRecyclingRequest(name=customer)
        return RecycleClock(await info.context.calls(info.context.services.recycling.ExplainRecycling, request))

    @field("The runs that take customers back, the newest first.")
    async def recycle_runs(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[RecycleRun] | None:
        method = info.context.services.recycling.ListRecycleRuns
        return await connect(first, after, RecycleRun, pages(info.context, method, pb.ListRecycleRunsRequest, "runs"))


@derive_input(recycle_pb2.CustomerStanding, required={"customer", "source", "version"}, references={"customer"})
class SetCustomerStandingInput(Input[recycle_pb2.CustomerStanding]):
    request_id: RequestId = None


@strawberry.type
class RecyclingMutation:
    @mutation("Notes what another system knows of a customer that bears on whether it falls back. For machines.")
    async def set_customer_standing(
        self,
        info: Info,
        input: SetCustomerStandingInput,  # noqa: A002
    ) -> CustomerStanding | None:
        request = pb.SetCustomerStandingRequest(standing=input.to_proto(), request_id=input.request_id or "")
        return CustomerStanding(await info.context.calls(info.context.services.recycling.SetCustomerStanding, request))
