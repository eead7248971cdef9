"""Taking in what happened with customers."""

import strawberry
from crm.customers.v1 import interaction_service_pb2 as pb

from gateway.context import Info
from gateway.fields import mutation
from gateway.inputs import Input, derive_input
from gateway.operations.requests import RequestId
from gateway.types.interactions import InteractionOutcome


@derive_input(pb.Interaction, required={"customer", "kind", "summary"}, references={"customer", "actor"})
class InteractionInput(Input[pb.Interaction]):
    pass


@strawberry.input(description="Adds interactions to the timelines of their customers.")
class RecordInteractionsInput:
    interactions: list[InteractionInput] = strawberry.field(description="From 1 to 500 interactions.")
    request_id: RequestId = None


@strawberry.type
class InteractionsMutation:
    @mutation(
        "Adds interactions to the timelines of their customers, as another system tells them, or a note of one's own. "
        "Each is judged by itself; one that came before changes nothing."
    )
    async def record_interactions(
        self,
        info: Info,
        input: RecordInteractionsInput,  # noqa: A002
    ) -> list[InteractionOutcome] | None:
        request = pb.RecordInteractionsRequest(
            interactions=[one.to_proto() for one in input.interactions], request_id=input.request_id or ""
        )
        answer = await info.context.calls(info.context.services.interactions.RecordInteractions, request)
        return [InteractionOutcome(message) for message in answer.outcomes]
