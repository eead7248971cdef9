"""Assignment of leads: rules, what people can take, who gets which lead, and why."""

import strawberry
from crm.leads.v1 import assignment_pb2, lead_pb2
from crm.leads.v1 import assignment_service_pb2 as pb

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.assignment import (
    AssignLeadsResult,
    AssignmentExplanation,
    AssignmentRule,
    LeadAbsence,
    LeadAssignment,
    LeadAssignmentSettings,
    LeadCapacity,
    PooledLead,
)
from gateway.types.leads import Lead

_OUTPUT = {"condition", "creator", "create_time", "update_time"}
_REFERENCES = {"users", "departments", "headed_departments", "roles", "fallback_department", "manager"}
_COUNTED = {"user", "given_today", "given_this_month", "open_leads"}


@strawberry.type
class AssignmentQuery:
    @field("The rules by which leads that nobody owns are given to people, by their priority.")
    async def assignment_rules(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[AssignmentRule] | None:
        method = info.context.services.assignment.ListAssignmentRules
        fetch = pages(info.context, method, pb.ListAssignmentRulesRequest, "rules")
        return await connect(first, after, AssignmentRule, fetch)

    @field("A rule by which leads are given to people.")
    async def assignment_rule(self, info: Info, key: Key) -> AssignmentRule | None:
        request = pb.GetAssignmentRuleRequest(name=key)
        return AssignmentRule(await info.context.calls(info.context.services.assignment.GetAssignmentRule, request))

    @field("What holds for leads whatever their rules say.")
    async def lead_assignment_settings(self, info: Info) -> LeadAssignmentSettings | None:
        method = info.context.services.assignment.GetLeadAssignmentSettings
        return LeadAssignmentSettings(await info.context.calls(method, pb.GetLeadAssignmentSettingsRequest()))

    @field("How many leads somebody can be given, and which. The id is `leadCapacities/{uuid of the user}`.")
    async def lead_capacity(self, info: Info, key: Key) -> LeadCapacity | None:
        request = pb.GetLeadCapacityRequest(name=key)
        return LeadCapacity(await info.context.calls(info.context.services.assignment.GetLeadCapacity, request))

    @field("How many leads people can be given, and which, by user.")
    async def lead_capacities(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[LeadCapacity] | None:
        method = info.context.services.assignment.ListLeadCapacities
        fetch = pages(info.context, method, pb.ListLeadCapacitiesRequest, "capacities")
        return await connect(first, after, LeadCapacity, fetch)

    @field("When somebody is given no leads, the latest time first.")
    async def lead_absences(
        self, info: Info, user: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[LeadAbsence] | None:
        method = info.context.services.assignment.ListLeadAbsences
        fetch = pages(info.context, method, pb.ListLeadAbsencesRequest, "absences", user=user)
        return await connect(first, after, LeadAbsence, fetch)

    @field("The fallback pool: leads that nobody owns and that the rules gave to nobody, the oldest first.")
    async def lead_pool(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[PooledLead] | None:
        method = info.context.services.assignment.ListLeadPool
        fetch = pages(info.context, method, pb.ListLeadPoolRequest, "leads")
        return await connect(first, after, PooledLead, fetch)

    @field(
        "Why a lead was given to whom it was, or to nobody: the newest decision unless another is named. Of a lead "
        "that was never judged it tells what would be decided now."
    )
    async def explain_assignment(
        self, info: Info, lead: strawberry.ID, assignment: strawberry.ID | None = None
    ) -> AssignmentExplanation | None:
        request = pb.ExplainAssignmentRequest(lead=lead, assignment=assignment or "")
        method = info.context.services.assignment.ExplainAssignment
        return AssignmentExplanation(await info.context.calls(method, request))

    @field("What was decided on a lead, the newest decision first.")
    async def lead_assignments(
        self, info: Info, lead: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[LeadAssignment] | None:
        method = info.context.services.assignment.ListLeadAssignments
        fetch = pages(info.context, method, pb.ListLeadAssignmentsRequest, "assignments", lead=lead)
        return await connect(first, after, LeadAssignment, fetch)


@derive_input(
    assignment_pb2.AssignmentRule,
    required={"display_name", "strategy"},
    hide={"name", "etag", *_OUTPUT},
    references=_REFERENCES,
)
class CreateAssignmentRuleInput(Input[assignment_pb2.AssignmentRule]):
    condition: FilterInput | None = strawberry.field(
        default=None, description="The leads that it is for; all if not given."
    )
    request_id: RequestId = None


@derive_input(assignment_pb2.AssignmentRule, required={"name"}, hide=_OUTPUT, references=_REFERENCES)
class UpdateAssignmentRuleInput(Input[assignment_pb2.AssignmentRule]):
    condition: FilterInput | None = strawberry.field(
        default=strawberry.UNSET, description="The leads that it is for; null for all."
    )
    request_id: RequestId = None


@derive_input(assignment_pb2.LeadAssignmentSettings, hide={"name"}, references={"fallback_department", "manager"})
class UpdateLeadAssignmentSettingsInput(Input[assignment_pb2.LeadAssignmentSettings]):
    request_id: RequestId = None


@derive_input(assignment_pb2.LeadCapacity, required={"name"}, hide=_COUNTED)
class UpdateLeadCapacityInput(Input[assignment_pb2.LeadCapacity]):
    request_id: RequestId = None


@derive_input(
    assignment_pb2.LeadAbsence,
    required={"start_time", "end_time"},
    hide={"name", "creator", "create_time"},
    references={"user"},
)
class CreateLeadAbsenceInput(Input[assignment_pb2.LeadAbsence]):
    request_id: RequestId = None


@strawberry.input(description="Assigns leads that nobody owns by the rules.")
class AssignLeadsInput:
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="The leads, at most 500.")
    filter: FilterInput | None = strawberry.field(
        default=None, description="The leads that nobody owns and that fulfil this, if none are named."
    )
    dry_run: bool = strawberry.field(
        default=False, description="True to find out what would be decided, and change nothing."
    )
    request_id: RequestId = None


@strawberry.input(description="Names a lead.")
class LeadInput:
    id: strawberry.ID
    request_id: RequestId = None


@strawberry.input(description="Gives back a lead that the caller was assigned.")
class DeclineLeadInput:
    id: strawberry.ID
    reason: str = strawberry.field(description="Why, in up to 500 characters.")
    request_id: RequestId = None


@strawberry.input(description="Lets the rules leave a lead alone, or look after it again.")
class SkipLeadAssignmentInput:
    id: strawberry.ID
    skip: bool = strawberry.field(description="True to let them leave it alone.")
    request_id: RequestId = None


@strawberry.type
class AssignmentMutation:
    @mutation("Creates a rule by which leads that nobody owns are given to people.")
    async def create_assignment_rule(
        self,
        info: Info,
        input: CreateAssignmentRuleInput,  # noqa: A002
    ) -> AssignmentRule | None:
        request = pb.CreateAssignmentRuleRequest(rule=_rule(input), request_id=input.request_id or "")
        return AssignmentRule(await info.context.calls(info.context.services.assignment.CreateAssignmentRule, request))

    @mutation("Changes a rule, for leads judged from then on.")
    async def update_assignment_rule(
        self,
        info: Info,
        input: UpdateAssignmentRuleInput,  # noqa: A002
    ) -> AssignmentRule | None:
        mask = input.mask()
        if input.condition is not strawberry.UNSET:
            mask.paths.append("condition")
        request = pb.UpdateAssignmentRuleRequest(rule=_rule(input), update_mask=mask, request_id=input.request_id or "")
        return AssignmentRule(await info.context.calls(info.context.services.assignment.UpdateAssignmentRule, request))

    @mutation("Deletes a rule and returns its id. What was decided by it stays explained.")
    async def delete_assignment_rule(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = pb.DeleteAssignmentRuleRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.assignment.DeleteAssignmentRule, request)
        return input.id

    @mutation("Changes what holds for leads whatever their rules say.")
    async def update_lead_assignment_settings(
        self,
        info: Info,
        input: UpdateLeadAssignmentSettingsInput,  # noqa: A002
    ) -> LeadAssignmentSettings | None:
        request = pb.UpdateLeadAssignmentSettingsRequest(
            settings=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        method = info.context.services.assignment.UpdateLeadAssignmentSettings
        return LeadAssignmentSettings(await info.context.calls(method, request))

    @mutation("Changes how many leads somebody can be given, and which.")
    async def update_lead_capacity(self, info: Info, input: UpdateLeadCapacityInput) -> LeadCapacity | None:  # noqa: A002
        request = pb.UpdateLeadCapacityRequest(
            capacity=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return LeadCapacity(await info.context.calls(info.context.services.assignment.UpdateLeadCapacity, request))

    @mutation("Notes a time at which somebody, the caller unless another is named, is given no leads.")
    async def create_lead_absence(self, info: Info, input: CreateLeadAbsenceInput) -> LeadAbsence | None:  # noqa: A002
        request = pb.CreateLeadAbsenceRequest(absence=input.to_proto(), request_id=input.request_id or "")
        return LeadAbsence(await info.context.calls(info.context.services.assignment.CreateLeadAbsence, request))

    @mutation("Removes an absence and returns its id.")
    async def delete_lead_absence(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = pb.DeleteLeadAbsenceRequest(name=input.id, request_id=input.request_id or "")
        await info.context.calls(info.context.services.assignment.DeleteLeadAbsence, request)
        return input.id

    @mutation(
        "Assigns leads that nobody owns by the rules. Those named are judged at once; of those that a filter finds the "
        "first 500, the others within minutes."
    )
    async def assign_leads(self, info: Info, input: AssignLeadsInput) -> AssignLeadsResult | None:  # noqa: A002
        request = pb.AssignLeadsRequest(
            names=input.ids or [],
            filter=to_filter(input.filter, lead_pb2.Lead.DESCRIPTOR),
            dry_run=input.dry_run,
            request_id=input.request_id or "",
        )
        return AssignLeadsResult(await info.context.calls(info.context.services.assignment.AssignLeads, request))

    @mutation("Takes over a lead that the caller was assigned.")
    async def accept_lead(self, info: Info, input: LeadInput) -> LeadAssignment | None:  # noqa: A002
        request = pb.AcceptLeadRequest(name=input.id, request_id=input.request_id or "")
        return LeadAssignment(await info.context.calls(info.context.services.assignment.AcceptLead, request))

    @mutation("Gives back a lead that the caller was assigned, and returns what the rules then decided.")
    async def decline_lead(self, info: Info, input: DeclineLeadInput) -> LeadAssignment | None:  # noqa: A002
        request = pb.DeclineLeadRequest(name=input.id, reason=input.reason, request_id=input.request_id or "")
        return LeadAssignment(await info.context.calls(info.context.services.assignment.DeclineLead, request))

    @mutation("Takes a lead from the fallback pool.")
    async def claim_lead(self, info: Info, input: LeadInput) -> Lead | None:  # noqa: A002
        request = pb.ClaimLeadRequest(name=input.id, request_id=input.request_id or "")
        return Lead(await info.context.calls(info.context.services.assignment.ClaimLead, request))

    @mutation("Lets the rules leave a lead alone, or look after it again.")
    async def skip_lead_assignment(self, info: Info, input: SkipLeadAssignmentInput) -> Lead | None:  # noqa: A002
        request = pb.SkipLeadAssignmentRequest(name=input.id, skip=input.skip, request_id=input.request_id or "")
        return Lead(await info.context.calls(info.context.services.assignment.SkipLeadAssignment, request))


def _rule(given: CreateAssignmentRuleInput | UpdateAssignmentRuleInput) -> assignment_pb2.AssignmentRule:
    rule = given.to_proto()
    if given.condition:
        condition = to_filter(given.condition, lead_pb2.Lead.DESCRIPTOR)
        if condition is not None:
            rule.condition.CopyFrom(condition)
    return rule
