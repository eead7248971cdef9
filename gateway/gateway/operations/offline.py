"""What clients do without a connection, handed in when they have one again."""

import strawberry
from crm.customers.v1 import customer_pb2
from crm.customers.v1 import offline_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.customers import OUTPUT, UpdateCustomerInput
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.offline import CustomerEditsOutcome, OfflineClaim, TimeBeacon


@strawberry.type
class OfflineQuery:
    @field("The server's time, sealed for the caller. Fetch one now and then while online, and keep the last.")
    async def time_beacon(self, info: Info) -> TimeBeacon | None:
        request = pb.GetTimeBeaconRequest()
        return TimeBeacon(await info.context.calls.afresh()(info.context.services.offline.GetTimeBeacon, request))

    @field("The caller's claims that were made offline, the newest first.")
    async def offline_claims(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[OfflineClaim] | None:
        method = info.context.services.offline.ListOfflineClaims
        fetch = pages(info.context, method, pb.ListOfflineClaimsRequest, "offline_claims")
        return await connect(first, after, OfflineClaim, fetch)


@strawberry.input(description="A claim as the client queued it.")
class OfflineClaimIntentInput:
    id: strawberry.ID = strawberry.field(description="A UUID that the client chose when the claim was made.")
    customer_id: strawberry.ID
    beacon: str | None = strawberry.field(
        default=None, description="The last beacon that the client had when the claim was made."
    )
    elapsed_milliseconds: float = strawberry.field(
        default=0, description="How long after fetching the beacon it was made, by a clock that is never set."
    )


@strawberry.input(description="Hands in claims that were made offline.")
class SubmitOfflineClaimsInput:
    intents: list[OfflineClaimIntentInput] = strawberry.field(description="At most 100, each customer once.")
    request_id: RequestId = None


@derive_input(customer_pb2.Customer, hide={"name", "etag", "kind", "owner", *OUTPUT})
class BaseCustomerInput(Input[customer_pb2.Customer]):
    pass


@strawberry.input(description="Edits of a customer that were made on an older version of it.")
class MergeCustomerEditsInput:
    edits: UpdateCustomerInput = strawberry.field(
        description="The id, the `etag` of the version that was edited, and the new values."
    )
    base: BaseCustomerInput = strawberry.field(
        description="The values that the edited fields had in that version; those that are not given were empty."
    )
    request_id: RequestId = None


@strawberry.type
class OfflineMutation:
    @mutation("Hands in claims that were made offline. Of several for one customer the earliest wins.")
    async def submit_offline_claims(
        self,
        info: Info,
        input: SubmitOfflineClaimsInput,  # noqa: A002
    ) -> list[OfflineClaim] | None:
        intents = [
            pb.OfflineClaimIntent(
                id=str(one.id),
                customer=one.customer_id,
                beacon=one.beacon or "",
                elapsed_milliseconds=int(max(-1e15, min(one.elapsed_milliseconds, 1e15))),
            )
            for one in input.intents
        ]
        request = pb.SubmitOfflineClaimsRequest(intents=intents, request_id=input.request_id or "")
        answer = await info.context.calls(info.context.services.offline.SubmitOfflineClaims, request)
        return [OfflineClaim(message) for message in answer.claims]

    @mutation("Merges edits of an older version of a customer, field by field, or says which fields to ask about.")
    async def merge_customer_edits(self, info: Info, input: MergeCustomerEditsInput) -> CustomerEditsOutcome | None:  # noqa: A002
        request = pb.MergeCustomerEditsRequest(
            customer=input.edits.to_proto(),
            update_mask=input.edits.mask(),
            base=input.base.to_proto(),
            request_id=input.request_id or "",
        )
        return CustomerEditsOutcome(
            wire=await info.context.calls(info.context.services.offline.MergeCustomerEdits, request)
        )
