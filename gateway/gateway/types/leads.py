"""Leads and follow-ups."""

import strawberry
from crm.common.v1 import filter_pb2
from crm.leads.v1 import (
    follow_up_pb2,
    follow_up_service_pb2,
    lead_duplicate_service_pb2,
    lead_pb2,
    lead_service_pb2,
)

from gateway.connections import Connection
from gateway.context import Info
from gateway.deriver import Record, derive
from gateway.fields import field
from gateway.nodes import Node


@derive(
    follow_up_pb2.FollowUp,
    relations={
        "customer": "customers",
        "lead": "leads",
        "contact": "contacts",
        "author": "users",
        "assignee": "users",
        "mentions": "users",
        "joint_theatre": "departments",
    },
)
class FollowUp(Record[follow_up_pb2.FollowUp], Node):
    pass


@derive(follow_up_service_pb2.FollowUpOutcome)
class FollowUpOutcome(Record[follow_up_service_pb2.FollowUpOutcome]):
    pass


@derive(follow_up_pb2.FollowUpRules, required={"etag"})
class FollowUpRules(Record[follow_up_pb2.FollowUpRules]):
    pass


@derive(lead_duplicate_service_pb2.LeadDuplicate, required={"subject"}, relations={"owner": "users"})
class LeadDuplicate(Record[lead_duplicate_service_pb2.LeadDuplicate]):
    pass


@derive(
    lead_pb2.Lead,
    required={"status", "etag"},
    relations={
        "owner": "users",
        "registrant": "users",
        "partner": "partners",
        "converted_customer": "customers",
        "converted_contact": "contacts",
    },
)
class Lead(Record[lead_pb2.Lead], Node):
    @field("What it may be the same as, as far as the caller may see it: the newest 20. See `leadDuplicates`.")
    async def duplicates(self, info: Info) -> list[LeadDuplicate]:
        return await info.context.loaders.duplicates_of.load(self.wire.name)


@strawberry.type(description="A page of leads.")
class LeadConnection(Connection[Lead]):
    filter: strawberry.Private[filter_pb2.Filter | None]
    search: strawberry.Private[str]

    @field("How many there are on all pages. Counted only if asked for.")
    async def total_count(self, info: Info) -> int:
        request = lead_service_pb2.CountLeadsRequest(filter=self.filter, search=self.search)
        return (await info.context.calls(info.context.services.leads.CountLeads, request)).count
