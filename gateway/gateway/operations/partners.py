"""The organisations outside the company that bring in business."""

import strawberry
from crm.identity.v1 import partner_pb2, partner_service_pb2

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_partner, pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.partners import Partner

_TIMES = {"create_time", "update_time"}


@strawberry.type
class PartnersQuery:
    @field("A partner.")
    async def partner(self, info: Info, key: Key) -> Partner | None:
        return await get_partner(info.context, key)

    @field("The partners by name.")
    async def partners(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Partner] | None:
        method, request = info.context.services.partners.ListPartners, partner_service_pb2.ListPartnersRequest
        return await connect(first, after, Partner, pages(info.context, method, request, "partners"))


@derive_input(partner_pb2.Partner, required={"display_name"}, hide={"name", "etag", *_TIMES}, references={"manager"})
class CreatePartnerInput(Input[partner_pb2.Partner]):
    request_id: RequestId = None


@derive_input(partner_pb2.Partner, required={"name"}, hide=_TIMES, references={"manager"})
class UpdatePartnerInput(Input[partner_pb2.Partner]):
    request_id: RequestId = None


@strawberry.type
class PartnersMutation:
    @mutation("Creates a partner. Its people become users who name it as their partner.")
    async def create_partner(self, info: Info, input: CreatePartnerInput) -> Partner | None:  # noqa: A002
        request = partner_service_pb2.CreatePartnerRequest(partner=input.to_proto(), request_id=input.request_id or "")
        return Partner(await info.context.calls(info.context.services.partners.CreatePartner, request))

    @mutation("Changes a partner.")
    async def update_partner(self, info: Info, input: UpdatePartnerInput) -> Partner | None:  # noqa: A002
        request = partner_service_pb2.UpdatePartnerRequest(
            partner=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return Partner(await info.context.calls(info.context.services.partners.UpdatePartner, request))

    @mutation("Deletes a partner that has no users and returns its id.")
    async def delete_partner(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = partner_service_pb2.DeletePartnerRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.partners.DeletePartner, request)
        return input.id
