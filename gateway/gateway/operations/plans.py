"""Plans: visits, meetings and calls that are to take place."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from crm.leads.v1 import follow_up_pb2, plan_pb2, plan_service_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from gateway.conditions import FilterInput, OrderByInput, to_filter, to_order
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_plan, pages
from gateway.operations.requests import RequestId
from gateway.types.plans import CompletedPlan, Plan, PlanOutcome, PlanRules

if TYPE_CHECKING:
    from enum import Enum as PlanResponse
else:
    PlanResponse = enum_of(plan_pb2.DESCRIPTOR.enum_types_by_name["PlanResponse"])

_OUTPUT = {
    "subject",
    "subject_title",
    "organiser",
    "participants",
    "contacts",
    "status",
    "result",
    "cancel_reason",
    "deviations",
    "sequence",
    "create_time",
    "update_time",
}
_TIMES = {"start_time", "end_time", "time_zone", "all_day"}

Subject = Annotated[
    strawberry.ID | None,
    strawberry.field(description="What it is about: the id of a lead or customer. Null for nobody."),
]
Participants = Annotated[
    list[strawberry.ID] | None,
    strawberry.field(description="The employees who take part, the assignee being one of them, at most 50."),
]
Contacts = Annotated[
    list[strawberry.ID] | None, strawberry.field(description="The contacts who take part, at most 20.")
]
Occurrence = Annotated[
    datetime | None,
    strawberry.field(
        description="The occurrence meant, by when it would begin by the recurrence; else the whole plan."
    ),
]
Following = Annotated[
    bool,
    strawberry.field(
        description="Whether all occurrences after that one are meant as well: they are a plan of their own from then "
        "on, which is answered."
    ),
]
Etag = Annotated[str | None, strawberry.field(description="If given, it must be the current one.")]


class PlanInput(Input[plan_pb2.Plan]):
    """What is stated of a plan, with references as ids."""

    subject: Any
    participant_ids: Any
    contact_ids: Any

    def to_proto(self) -> plan_pb2.Plan:
        """The message with what was given."""
        message = super().to_proto()
        message.subject = self.subject or ""
        message.participants.extend(plan_pb2.PlanParticipant(user=key) for key in self.participant_ids or ())
        message.contacts.extend(self.contact_ids or ())
        return message

    def mask(self) -> FieldMask:
        """The fields that were given, null ones included."""
        own = {"subject": self.subject, "participants": self.participant_ids, "contacts": self.contact_ids}
        given = [path for path, value in own.items() if value is not strawberry.UNSET]
        return FieldMask(paths=[*super().mask().paths, *given])


@strawberry.type
class PlansQuery:
    @field("A plan.")
    async def plan(self, info: Info, key: Key) -> Plan | None:
        return await get_plan(info.context, key)

    @field(
        "Plans, of one lead or customer if given, each once however often it recurs; those that begin last first if no "
        "order is given. For occurrences see `calendar`."
    )
    async def plans(
        self,
        info: Info,
        subject: strawberry.ID | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
        order_by: list[OrderByInput] | None = None,
    ) -> Connection[Plan] | None:
        fetch = pages(
            info.context,
            info.context.services.plans.ListPlans,
            plan_service_pb2.ListPlansRequest,
            "plans",
            subject=subject or "",
            filter=to_filter(filter, plan_pb2.Plan.DESCRIPTOR),
            order_by=to_order(order_by, plan_pb2.Plan.DESCRIPTOR),
        )
        return await connect(first, after, Plan, fetch)

    @field("The rules for plans: what happens if plans of one person overlap.")
    async def plan_rules(self, info: Info) -> PlanRules | None:
        request = plan_service_pb2.GetPlanRulesRequest()
        return PlanRules(await info.context.calls(info.context.services.plans.GetPlanRules, request))


@derive_input(
    plan_pb2.Plan,
    required={"kind", "title", "start_time", "end_time"},
    hide={"name", "etag", *_OUTPUT},
    references={"assignee"},
)
class CreatePlanInput(PlanInput):
    subject: Subject = strawberry.UNSET
    participant_ids: Participants = strawberry.UNSET
    contact_ids: Contacts = strawberry.UNSET
    request_id: RequestId = None


@derive_input(plan_pb2.Plan, required={"name"}, hide={*_TIMES, *_OUTPUT}, references={"assignee"})
class UpdatePlanInput(PlanInput):
    subject: Subject = strawberry.UNSET
    participant_ids: Participants = strawberry.UNSET
    contact_ids: Contacts = strawberry.UNSET
    following_time: datetime | None = strawberry.field(
        default=None,
        description="To change the occurrences from one on: when that one would begin by the recurrence. They are a "
        "plan of their own from then on, which is answered.",
    )
    request_id: RequestId = None


@strawberry.input(description="Moves a plan, or one occurrence of it, to other times.")
class MovePlanInput:
    id: strawberry.ID
    start_time: datetime = strawberry.field(description="When it begins.")
    end_time: datetime = strawberry.field(description="When it ends; the end is not part of it.")
    occurrence_time: Occurrence = None
    following: Following = False
    time_zone: str | None = strawberry.field(
        default=None,
        description="The IANA zone that it is planned in, as it was if not given. For the whole plan alone.",
    )
    etag: Etag = None
    request_id: RequestId = None


@strawberry.input(description="Calls off a plan, or one occurrence of it.")
class CancelPlanInput:
    id: strawberry.ID
    occurrence_time: Occurrence = None
    following: Following = False
    reason: str | None = strawberry.field(default=None, description="Why, at most 500 characters.")
    etag: Etag = None
    request_id: RequestId = None


@derive_input(
    follow_up_pb2.FollowUp,
    hide={
        "name",
        "customer",
        "lead",
        "author",
        "remind_time",
        "assignee",
        "follows_owner",
        "create_time",
        "verdict",
        "verdict_reasons",
        "joint_theatre",
        "awaits_acknowledgement",
        "acknowledge_time",
    },
    references={"contact", "mentions"},
)
class PlanFollowUpInput(Input[follow_up_pb2.FollowUp]):
    pass


@strawberry.input(description="Says that a plan, or one occurrence of it, took place.")
class CompletePlanInput:
    id: strawberry.ID
    occurrence_time: Occurrence = None
    result: str | None = strawberry.field(default=None, description="What came of it, at most 5,000 characters.")
    follow_up: PlanFollowUpInput | None = strawberry.field(
        default=None, description="A follow-up to log on the plan's subject at once."
    )
    etag: Etag = None
    request_id: RequestId = None


@strawberry.input(description="Says whether the caller takes part in a plan.")
class RespondToPlanInput:
    id: strawberry.ID
    response: PlanResponse
    request_id: RequestId = None


@derive_input(plan_pb2.PlanRules, hide={"name"})
class UpdatePlanRulesInput(Input[plan_pb2.PlanRules]):
    request_id: RequestId = None


def _occurrence(given: MovePlanInput | CancelPlanInput | CompletePlanInput) -> dict[str, Any]:
    return {"occurrence_time": given.occurrence_time}


@strawberry.type
class PlansMutation:
    @mutation("Makes a plan and invites its participants. The answer says what speaks against its times.")
    async def create_plan(self, info: Info, input: CreatePlanInput) -> PlanOutcome | None:  # noqa: A002
        request = plan_service_pb2.CreatePlanRequest(plan=input.to_proto(), request_id=input.request_id or "")
        return PlanOutcome(await info.context.calls(info.context.services.plans.CreatePlan, request))

    @mutation("Changes what a plan is. Its times are changed by `movePlan`.")
    async def update_plan(self, info: Info, input: UpdatePlanInput) -> PlanOutcome | None:  # noqa: A002
        following: dict[str, Any] = {"following_time": input.following_time}
        request = plan_service_pb2.UpdatePlanRequest(
            plan=input.to_proto(),
            update_mask=input.mask(),
            **following,
            request_id=input.request_id or "",
        )
        return PlanOutcome(await info.context.calls(info.context.services.plans.UpdatePlan, request))

    @mutation("Moves a plan, or one occurrence of it, to other times. Participants are asked again.")
    async def move_plan(self, info: Info, input: MovePlanInput) -> PlanOutcome | None:  # noqa: A002
        times: dict[str, Any] = {"start_time": input.start_time, "end_time": input.end_time}
        request = plan_service_pb2.MovePlanRequest(
            name=input.id,
            **times,
            **_occurrence(input),
            following=input.following,
            time_zone=input.time_zone or "",
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        return PlanOutcome(await info.context.calls(info.context.services.plans.MovePlan, request))

    @mutation("Calls off a plan, or one occurrence of it.")
    async def cancel_plan(self, info: Info, input: CancelPlanInput) -> Plan | None:  # noqa: A002
        request = plan_service_pb2.CancelPlanRequest(
            name=input.id,
            **_occurrence(input),
            following=input.following,
            reason=input.reason or "",
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        return Plan(await info.context.calls(info.context.services.plans.CancelPlan, request))

    @mutation("Notes that a plan, or one occurrence of it, took place, and logs a follow-up of it if one is given.")
    async def complete_plan(self, info: Info, input: CompletePlanInput) -> CompletedPlan | None:  # noqa: A002
        request = plan_service_pb2.CompletePlanRequest(
            name=input.id,
            **_occurrence(input),
            result=input.result or "",
            follow_up=input.follow_up.to_proto() if input.follow_up is not None else None,
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        return CompletedPlan(await info.context.calls(info.context.services.plans.CompletePlan, request))

    @mutation("Says whether the caller takes part in a plan.")
    async def respond_to_plan(self, info: Info, input: RespondToPlanInput) -> Plan | None:  # noqa: A002
        answer: Any = input.response.value
        request = plan_service_pb2.RespondToPlanRequest(
            name=input.id, response=answer, request_id=input.request_id or ""
        )
        return Plan(await info.context.calls(info.context.services.plans.RespondToPlan, request))

    @mutation("Changes the rules for plans, for those that are made or moved from then on.")
    async def update_plan_rules(self, info: Info, input: UpdatePlanRulesInput) -> PlanRules | None:  # noqa: A002
        request = plan_service_pb2.UpdatePlanRulesRequest(
            rules=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return PlanRules(await info.context.calls(info.context.services.plans.UpdatePlanRules, request))
