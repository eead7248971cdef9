"""Personal data: identity numbers in full, requests to export or erase, and legal holds."""

from datetime import datetime

import strawberry
from crm.customers.v1 import identity_number_service_pb2
from crm.identity.v1 import personal_data_pb2, personal_data_service_pb2

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_legal_hold, get_personal_data_request, pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.personal_data import LegalHold, PersonalDataRequest, RevealedIdentityNumber


@strawberry.input(description="Whose identity number is to be shown, and why.")
class RevealIdentityNumberInput:
    id: strawberry.ID = strawberry.field(description="`customers/{uuid}` or `contacts/{uuid}`.")
    reason: str = strawberry.field(description="Why it is needed. The audit log keeps it.")
    request_id: RequestId = None


@derive_input(personal_data_service_pb2.PersonalDataSubject)
class PersonalDataSubjectInput(Input[personal_data_service_pb2.PersonalDataSubject]):
    pass


@derive_input(
    personal_data_service_pb2.CreatePersonalDataRequestRequest,
    required={"kind", "subject", "reason"},
    hide={"request_id"},
)
class CreatePersonalDataRequestInput(Input[personal_data_service_pb2.CreatePersonalDataRequestRequest]):
    request_id: RequestId = None


@strawberry.input(description="Whose data are to be kept, and why.")
class CreateLegalHoldInput:
    subject: PersonalDataSubjectInput
    reason: str = strawberry.field(description="E.g. the number of the case, at most 500 characters.")
    expire_time: datetime | None = strawberry.field(
        default=None, description="Until when it holds; without end if not given."
    )
    request_id: RequestId = None

    def to_proto(self) -> personal_data_service_pb2.CreateLegalHoldRequest:
        """The request."""
        hold = personal_data_pb2.LegalHold(reason=self.reason)
        if self.expire_time is not None:
            hold.expire_time.FromDatetime(self.expire_time)
        return personal_data_service_pb2.CreateLegalHoldRequest(
            subject=self.subject.to_proto(), legal_hold=hold, request_id=self.request_id or ""
        )


_OUTPUT = {"creator", "create_time", "update_time"}


@derive_input(personal_data_pb2.LegalHold, required={"name"}, hide={"subject", *_OUTPUT})
class UpdateLegalHoldInput(Input[personal_data_pb2.LegalHold]):
    request_id: RequestId = None


@strawberry.type
class PersonalDataQuery:
    @field("A request to export or erase the data about a person, with its progress.")
    async def personal_data_request(self, info: Info, key: Key) -> PersonalDataRequest | None:
        return await get_personal_data_request(info.context, key)

    @field("The requests to export or erase the data about people, newest first.")
    async def personal_data_requests(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[PersonalDataRequest] | None:
        method = info.context.services.personal_data.ListPersonalDataRequests
        request = personal_data_service_pb2.ListPersonalDataRequestsRequest
        return await connect(first, after, PersonalDataRequest, pages(info.context, method, request, "requests"))

    @field("A legal hold.")
    async def legal_hold(self, info: Info, key: Key) -> LegalHold | None:
        return await get_legal_hold(info.context, key)

    @field("The legal holds, newest first.")
    async def legal_holds(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[LegalHold] | None:
        method = info.context.services.personal_data.ListLegalHolds
        request = personal_data_service_pb2.ListLegalHoldsRequest
        return await connect(first, after, LegalHold, pages(info.context, method, request, "legal_holds"))


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

    @mutation("Starts to export or erase the data about a person in all services.")
    async def create_personal_data_request(
        self,
        info: Info,
        input: CreatePersonalDataRequestInput,  # noqa: A002
    ) -> PersonalDataRequest | None:
        request = input.to_proto()
        request.request_id = input.request_id or ""
        method = info.context.services.personal_data.CreatePersonalDataRequest
        return PersonalDataRequest(await info.context.calls(method, request))

    @mutation("Keeps the data about a person from being erased or deleted.")
    async def create_legal_hold(self, info: Info, input: CreateLegalHoldInput) -> LegalHold | None:  # noqa: A002
        method = info.context.services.personal_data.CreateLegalHold
        return LegalHold(await info.context.calls(method, input.to_proto()))

    @mutation("Changes the reason or the end of a legal hold.")
    async def update_legal_hold(self, info: Info, input: UpdateLegalHoldInput) -> LegalHold | None:  # noqa: A002
        request = personal_data_service_pb2.UpdateLegalHoldRequest(
            legal_hold=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return LegalHold(await info.context.calls(info.context.services.personal_data.UpdateLegalHold, request))

    @mutation("Lifts a legal hold and returns its id.")
    async def delete_legal_hold(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = personal_data_service_pb2.DeleteLegalHoldRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.personal_data.DeleteLegalHold, request)
        return input.id
