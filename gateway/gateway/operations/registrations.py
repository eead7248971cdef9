"""Leads: entered by employees, registered by partners."""

import strawberry
from crm.leads.v1 import lead_pb2, lead_service_pb2

from gateway.conditions import FilterInput, OrderByInput, to_filter, to_order
from gateway.connections import DEFAULT_PAGE, After, First, page_fields
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_lead, pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.leads import Lead, LeadConnection

OUTPUT = {
    "assignment_skipped",
    "registrant",
    "partner",
    "registration_state",
    "rejection_reason",
    "protection_expire_time",
    "last_follow_up_time",
    "last_effective_follow_up_time",
    "converted_customer",
    "converted_contact",
    "capture_source",
    "opt_in_time",
    "repeat_count",
    "repeat_time",
    "score",
    "grade",
    "create_time",
    "update_time",
}
_DECIDED_LATER = {"name", "etag", "external_id", "status", "status_reason", "status_note", "owner"}
"""What partners leave to whoever decides on the registration."""


@strawberry.type
class LeadRecordsQuery:
    @field("A lead.")
    async def lead(self, info: Info, key: Key) -> Lead | None:
        return await get_lead(info.context, key)

    @field(
        "Leads, those changed last first if no order is given. `search` finds a part of the company's or the "
        "person's name, pinyin initials, a part of a phone number or e-mail address, or a credit code."
    )
    async def leads(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
        search: str | None = None,
        order_by: list[OrderByInput] | None = None,
    ) -> LeadConnection | None:
        condition = to_filter(filter, lead_pb2.Lead.DESCRIPTOR)
        fetch = pages(
            info.context,
            info.context.services.leads.ListLeads,
            lead_service_pb2.ListLeadsRequest,
            "leads",
            filter=condition,
            search=search or "",
            order_by=to_order(order_by, lead_pb2.Lead.DESCRIPTOR),
        )
        fields = await page_fields(first, after, Lead, fetch)
        return LeadConnection(filter=condition, search=search or "", **fields)


@derive_input(lead_pb2.Lead, hide={"name", "etag", *OUTPUT}, references={"owner"})
class CreateLeadInput(Input[lead_pb2.Lead]):
    unowned: bool = strawberry.field(
        default=False, description="True to leave it to the assignment rules who owns it. No owner may be named then."
    )
    request_id: RequestId = None


@derive_input(
    lead_pb2.Lead,
    required={"company_name"},
    hide={*_DECIDED_LATER, *OUTPUT},
)
class RegisterLeadInput(Input[lead_pb2.Lead]):
    request_id: RequestId = None


@derive_input(lead_pb2.Lead, required={"name"}, hide={"owner", *OUTPUT})
class UpdateLeadInput(Input[lead_pb2.Lead]):
    request_id: RequestId = None


@strawberry.input(description="Gives a lead to another owner.")
class TransferLeadInput:
    id: strawberry.ID
    owner_id: strawberry.ID = strawberry.field(description="The new owner, `users/{uuid}`.")
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Accepts a partner's registration.")
class ApproveLeadInput:
    id: strawberry.ID
    owner_id: strawberry.ID | None = strawberry.field(
        default=None, description="Who works on the lead from now on, `users/{uuid}`; the caller if not given."
    )
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Refuses a partner's registration.")
class RejectLeadInput:
    id: strawberry.ID
    reason: str = strawberry.field(description="Why; the partner reads it.")
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.type
class LeadRecordsMutation:
    @mutation("Enters a lead; the caller owns it unless another owner is given.")
    async def create_lead(self, info: Info, input: CreateLeadInput) -> Lead | None:  # noqa: A002
        request = lead_service_pb2.CreateLeadRequest(
            lead=input.to_proto(), unowned=input.unowned, request_id=input.request_id or ""
        )
        return Lead(await info.context.calls(info.context.services.leads.CreateLead, request))

    @mutation("Registers a company as a partner, for an employee to approve.")
    async def register_lead(self, info: Info, input: RegisterLeadInput) -> Lead | None:  # noqa: A002
        request = lead_service_pb2.RegisterLeadRequest(lead=input.to_proto(), request_id=input.request_id or "")
        return Lead(await info.context.calls(info.context.services.leads.RegisterLead, request))

    @mutation("Changes a lead: the fields that are given.")
    async def update_lead(self, info: Info, input: UpdateLeadInput) -> Lead | None:  # noqa: A002
        request = lead_service_pb2.UpdateLeadRequest(
            lead=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return Lead(await info.context.calls(info.context.services.leads.UpdateLead, request))

    @mutation("Gives a lead to another owner.")
    async def transfer_lead(self, info: Info, input: TransferLeadInput) -> Lead | None:  # noqa: A002
        request = lead_service_pb2.TransferLeadRequest(
            name=input.id, owner=input.owner_id, etag=input.etag or "", request_id=input.request_id or ""
        )
        return Lead(await info.context.calls(info.context.services.leads.TransferLead, request))

    @mutation("Accepts a partner's registration and protects the company for a time.")
    async def approve_lead(self, info: Info, input: ApproveLeadInput) -> Lead | None:  # noqa: A002
        request = lead_service_pb2.ApproveLeadRequest(
            name=input.id, owner=input.owner_id or "", etag=input.etag or "", request_id=input.request_id or ""
        )
        return Lead(await info.context.calls(info.context.services.leads.ApproveLead, request))

    @mutation("Refuses a partner's registration.")
    async def reject_lead(self, info: Info, input: RejectLeadInput) -> Lead | None:  # noqa: A002
        request = lead_service_pb2.RejectLeadRequest(
            name=input.id, reason=input.reason, etag=input.etag or "", request_id=input.request_id or ""
        )
        return Lead(await info.context.calls(info.context.services.leads.RejectLead, request))

    @mutation("Deletes a lead and returns its id.")
    async def delete_lead(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = lead_service_pb2.DeleteLeadRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.leads.DeleteLead, request)
        return input.id
