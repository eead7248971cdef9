"""Leads that become customers."""

import strawberry
from crm.customers.v1 import contact_pb2, customer_pb2
from crm.leads.v1 import conversion_service_pb2 as pb
from crm.leads.v1 import events_pb2

from gateway.context import Info
from gateway.fields import mutation
from gateway.inputs import Input, derive_input
from gateway.operations.customers import OUTPUT
from gateway.operations.requests import RequestId
from gateway.types.life import LeadConversion


@derive_input(customer_pb2.Customer, hide={"name", "etag", "identity_number", *OUTPUT}, references={"owner"})
class LeadCustomerInput(Input[customer_pb2.Customer]):
    pass


@derive_input(
    contact_pb2.Contact,
    hide={"name", "customer", "etag", "identity_number", "reports_to", "create_time", "update_time"},
)
class LeadContactInput(Input[contact_pb2.Contact]):
    pass


@derive_input(events_pb2.OpportunityWish, required={"display_name"})
class OpportunityWishInput(Input[events_pb2.OpportunityWish]):
    pass


@strawberry.input(description="Turns a lead into a customer.")
class ConvertLeadInput:
    id: strawberry.ID
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="The customer that the lead belongs to, if there is one already."
    )
    new_customer: LeadCustomerInput | None = strawberry.field(
        default=None,
        description="What is to be said of the new customer besides what the lead says: the lead's own fields are "
        "taken where this leaves them out, and the lead's owner owns it.",
    )
    contact_id: strawberry.ID | None = strawberry.field(
        default=None, description="The contact of an existing customer that the lead's person is."
    )
    new_contact: LeadContactInput | None = strawberry.field(
        default=None,
        description="What is to be said of the new contact besides what the lead says. A contact is created if this is "
        "given, or if the lead of a company names a person; not if `contactId` is.",
    )
    opportunity: OpportunityWishInput | None = strawberry.field(
        default=None, description="The opportunity to ask for, if any."
    )
    etag: str | None = strawberry.field(default=None, description="If given, it must be the lead's current one.")
    request_id: RequestId = None


@strawberry.type
class ConversionsMutation:
    @mutation(
        "Turns a lead into a customer with a contact, and asks for an opportunity: all of it or nothing. What is "
        "missing or wrong is told in one answer. If a service does not answer, ask for the same again."
    )
    async def convert_lead(self, info: Info, input: ConvertLeadInput) -> LeadConversion | None:  # noqa: A002
        request = pb.ConvertLeadRequest(
            name=input.id,
            customer=input.customer_id or "",
            new_customer=input.new_customer.to_proto() if input.new_customer else None,
            contact=input.contact_id or "",
            new_contact=input.new_contact.to_proto() if input.new_contact else None,
            opportunity=input.opportunity.to_proto() if input.opportunity else None,
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        return LeadConversion(await info.context.calls(info.context.services.conversions.ConvertLead, request))
