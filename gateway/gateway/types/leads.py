"""Leads and follow-ups."""

import strawberry
from crm.common.v1 import filter_pb2
from crm.leads.v1 import follow_up_pb2, lead_pb2, lead_service_pb2

from gateway.connections import Connection
from gateway.context import Info
from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node
from gateway.types.customers import Contact


@derive(
    follow_up_pb2.FollowUp,
    required={"customer"},
    relations={"customer": "customers", "author": "users", "assignee": "users"},
    rename={"contact": "contact_id"},
)
class FollowUp(Record[follow_up_pb2.FollowUp], Node):
    @field("The contact spoken with.")
    async def contact(self, info: Info) -> Contact | None:
        name = self.wire.contact
        if not name:
            return None
        contacts = await info.context.loaders.contacts.load(self.wire.customer)
        return next((contact for contact in contacts if contact.wire.name == name), None)


@derive(follow_up_pb2.FollowUpRules, required={"etag"})
class FollowUpRules(Record[follow_up_pb2.FollowUpRules]):
    pass


@derive(
    lead_pb2.Lead,
    required={"status", "etag"},
    relations={"owner": "users", "registrant": "users", "partner": "partners"},
)
class Lead(Record[lead_pb2.Lead], Node):
    pass


@strawberry.type(description="A page of leads.")
class LeadConnection(Connection[Lead]):
    filter: strawberry.Private[filter_pb2.Filter | None]
    search: strawberry.Private[str]

    @field("How many there are on all pages. Counted only if asked for.")
    async def total_count(self, info: Info) -> int:
        request = lead_service_pb2.CountLeadsRequest(filter=self.filter, search=self.search)
        return (await info.context.calls(info.context.services.leads.CountLeads, request)).count
