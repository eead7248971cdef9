"""The life of leads: how far they have come and why, and what happened to them."""

from typing import TYPE_CHECKING

import strawberry
from crm.leads.v1 import lead_duplicate_service_pb2 as duplicates_pb
from crm.leads.v1 import life_pb2
from crm.leads.v1 import life_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.leads import Lead, LeadDuplicate
from gateway.types.life import LeadRules, LeadTimelineEntry

if TYPE_CHECKING:
    from enum import Enum as LeadTimelineKind
else:
    LeadTimelineKind = enum_of(life_pb2.LeadTimelineKind.DESCRIPTOR)


@strawberry.type
class LifeQuery:
    @field("The statuses that a lead has had, who gave them when, and why; the newest first.")
    async def lead_status_history(
        self, info: Info, lead: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[LeadTimelineEntry] | None:
        method = info.context.services.life.ListLeadStatusChanges
        fetch = pages(info.context, method, pb.ListLeadStatusChangesRequest, "changes", lead=lead)
        return await connect(first, after, LeadTimelineEntry, fetch)

    @field("What happened to a lead, the newest first; of some kinds only, if given.")
    async def lead_timeline(
        self,
        info: Info,
        lead: strawberry.ID,
        kinds: list[LeadTimelineKind] | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[LeadTimelineEntry] | None:
        method = info.context.services.life.ListLeadTimeline
        numbers = [kind.value for kind in kinds or ()]
        fetch = pages(info.context, method, pb.ListLeadTimelineRequest, "entries", lead=lead, kinds=numbers)
        return await connect(first, after, LeadTimelineEntry, fetch)

    @field("The leads and customers that a lead may be the same as, and why; the newest first.")
    async def lead_duplicates(
        self, info: Info, lead: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[LeadDuplicate] | None:
        method = info.context.services.lead_duplicates.ListLeadDuplicates
        fetch = pages(info.context, method, duplicates_pb.ListLeadDuplicatesRequest, "duplicates", lead=lead)
        return await connect(first, after, LeadDuplicate, fetch)

    @field("The rules of the life of leads, among them the reasons that they are given up for.")
    async def lead_rules(self, info: Info) -> LeadRules | None:
        return LeadRules(await info.context.calls(info.context.services.life.GetLeadRules, pb.GetLeadRulesRequest()))


@derive_input(pb.ChangeLeadStatusRequest, required={"name", "status"}, hide={"request_id"})
class ChangeLeadStatusInput(Input[pb.ChangeLeadStatusRequest]):
    request_id: RequestId = None


@derive_input(life_pb2.LeadReason, required={"code", "display_name"})
class LeadReasonInput(Input[life_pb2.LeadReason]):
    pass


@derive_input(life_pb2.LeadRules, hide={"name"})
class UpdateLeadRulesInput(Input[life_pb2.LeadRules]):
    request_id: RequestId = None


@derive_input(duplicates_pb.MergeLeadsRequest, required={"name", "other"}, hide={"request_id"}, references={"other"})
class MergeLeadsInput(Input[duplicates_pb.MergeLeadsRequest]):
    request_id: RequestId = None


@strawberry.type
class LifeMutation:
    @mutation("Makes two leads one: the other one is deleted, and all that was said and is to be done comes along.")
    async def merge_leads(self, info: Info, input: MergeLeadsInput) -> Lead | None:  # noqa: A002
        request = input.to_proto()
        request.request_id = input.request_id or ""
        return Lead(await info.context.calls(info.context.services.lead_duplicates.MergeLeads, request))

    @mutation("Gives a lead another status: see LeadStatus, and `leadRules` for the reasons.")
    async def change_lead_status(self, info: Info, input: ChangeLeadStatusInput) -> Lead | None:  # noqa: A002
        request = input.to_proto()
        request.request_id = input.request_id or ""
        return Lead(await info.context.calls(info.context.services.life.ChangeLeadStatus, request))

    @mutation("Changes the rules of the life of leads.")
    async def update_lead_rules(self, info: Info, input: UpdateLeadRulesInput) -> LeadRules | None:  # noqa: A002
        request = pb.UpdateLeadRulesRequest(
            rules=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return LeadRules(await info.context.calls(info.context.services.life.UpdateLeadRules, request))
