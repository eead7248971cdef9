"""Letting people leave, and handing over what they hold."""

import strawberry
from chassis.errors import Invalid
from crm.common.v1 import handover_pb2
from crm.customers.v1 import customer_pb2
from crm.identity.v1 import offboarding_service_pb2
from crm.leads.v1 import follow_up_pb2, lead_pb2, plan_pb2, task_pb2

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.nodes import Key
from gateway.operations.fetching import get_offboarding, pages
from gateway.operations.requests import RequestId
from gateway.types.offboarding import Offboarding, OffboardingPreview

RECORDS = {
    "customer": customer_pb2.Customer.DESCRIPTOR,
    "customer_theatre": customer_pb2.Customer.DESCRIPTOR,
    "follow_up": follow_up_pb2.FollowUp.DESCRIPTOR,
    "lead": lead_pb2.Lead.DESCRIPTOR,
    "plan": plan_pb2.Plan.DESCRIPTOR,
    "task": task_pb2.Task.DESCRIPTOR,
}
"""The kinds of records that are handed over, each with the message by whose fields it is filtered."""


@strawberry.input(description="Which records of somebody who leaves go to whom.")
class HandoverRuleInput:
    entity: str | None = strawberry.field(
        default=None,
        description="What kind of records: `customer`, `customer_theatre` (what they follow for a theatre, by filters "
        "of customers), `follow_up`, `lead`, `plan` or `task`; all kinds if not given.",
    )
    filter: FilterInput | None = strawberry.field(
        default=None, description="Which of them; all if not given. Needs `entity`."
    )
    successor_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Who gets them, `users/{uuid}`. Several take turns."
    )
    department_head: bool = strawberry.field(
        default=False, description="True to give them to the head of the department instead."
    )


@strawberry.input(description="Who gets what. Of several rules, the first that fits a record counts.")
class OffboardingPlanInput:
    rules: list[HandoverRuleInput] = strawberry.field(default_factory=list)
    default_successor_id: strawberry.ID | None = strawberry.field(
        default=None, description="Who gets what no rule fits; the head of the user's department if not given."
    )


@strawberry.input(description="Who leaves, and who gets what.")
class OffboardUserInput:
    user_id: strawberry.ID
    plan: OffboardingPlanInput | None = None
    head_successor_id: strawberry.ID | None = strawberry.field(
        default=None, description="Who heads the departments that the user heads; nobody if not given."
    )
    reason: str | None = None
    request_id: RequestId = None


@strawberry.input(description="Which offboarding to go on with, and how.")
class RetryOffboardingInput:
    id: strawberry.ID
    plan: OffboardingPlanInput | None = strawberry.field(
        default=None, description="Who gets what is still to be handed over; as before if not given."
    )
    request_id: RequestId = None


@strawberry.type
class OffboardingsQuery:
    @field("An offboarding with its progress.")
    async def offboarding(self, info: Info, key: Key) -> Offboarding | None:
        return await get_offboarding(info.context, key)

    @field("Offboardings, newest first.")
    async def offboardings(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[Offboarding] | None:
        method = info.context.services.offboardings.ListOffboardings
        request = offboarding_service_pb2.ListOffboardingsRequest
        return await connect(first, after, Offboarding, pages(info.context, method, request, "offboardings"))

    @field("What an offboarding would hand over, and to whom. Changes nothing.")
    async def preview_offboarding(
        self, info: Info, user_id: strawberry.ID, plan: OffboardingPlanInput | None = None
    ) -> OffboardingPreview | None:
        request = offboarding_service_pb2.PreviewOffboardingRequest(user=user_id, plan=_plan(plan))
        return OffboardingPreview(
            await info.context.calls(info.context.services.offboardings.PreviewOffboarding, request)
        )


@strawberry.type
class OffboardingsMutation:
    @mutation("Lets a user leave: no login from now on, and everything the user holds is handed over.")
    async def offboard_user(self, info: Info, input: OffboardUserInput) -> Offboarding | None:  # noqa: A002
        request = offboarding_service_pb2.OffboardUserRequest(
            user=input.user_id,
            plan=_plan(input.plan),
            head_successor=input.head_successor_id or "",
            reason=input.reason or "",
            request_id=input.request_id or "",
        )
        return Offboarding(await info.context.calls(info.context.services.offboardings.OffboardUser, request))

    @mutation("Goes on with an offboarding that has failed.")
    async def retry_offboarding(self, info: Info, input: RetryOffboardingInput) -> Offboarding | None:  # noqa: A002
        request = offboarding_service_pb2.RetryOffboardingRequest(
            name=input.id, plan=_plan(input.plan), request_id=input.request_id or ""
        )
        return Offboarding(await info.context.calls(info.context.services.offboardings.RetryOffboarding, request))


def _plan(given: OffboardingPlanInput | None) -> offboarding_service_pb2.OffboardingPlan | None:
    if given is None:
        return None
    return offboarding_service_pb2.OffboardingPlan(
        rules=map(_rule, given.rules), default_successor=given.default_successor_id or ""
    )


def _rule(given: HandoverRuleInput) -> handover_pb2.HandoverRule:
    entity = given.entity or ""
    condition = None
    if given.filter is not None:
        if entity not in RECORDS:
            raise Invalid("UNKNOWN_ENTITY", f"say which records: {', '.join(RECORDS)}", field="entity")
        condition = to_filter(given.filter, RECORDS[entity])
    return handover_pb2.HandoverRule(
        entity=entity,
        filter=condition,
        successors=given.successor_ids,
        department_head=given.department_head,
    )
