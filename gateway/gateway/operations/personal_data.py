"""Personal data: identity numbers in full."""

import strawberry
from crm.customers.v1 import identity_number_service_pb2

from gateway.context import Info
from gateway.fields import mutation
from gateway.operations.requests import RequestId
from gateway.types.personal_data import RevealedIdentityNumber


@strawberry.input(description="Whose identity number is to be shown, and why.")
class RevealIdentityNumberInput:
    id: strawberry.ID = strawberry.field(description="`customers/{uuid}` or `contacts/{uuid}`.")
    reason: str = strawberry.field(description="Why it is needed. The audit log keeps it.")
    request_id: RequestId = None


@strawberry.type
class PersonalDataMutation:
    @mutation("Shows the identity number of a person in full. The audit log keeps who asked for it and why.")
    async def reveal_identity_number(
        self,
        info: Info,
        input: RevealIdentityNumberInput,  # noqa: A002
    ) -> RevealedIdentityNumber | None:
        request = identity_number_service_pb2.RevealIdentityNumberRequest(
            name=input.id, reason=input.reason, request_id=input.request_id or ""
        )
        method = info.context.services.identity_numbers.RevealIdentityNumber
        return RevealedIdentityNumber(await info.context.calls(method, request))
