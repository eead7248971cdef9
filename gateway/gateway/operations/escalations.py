"""What happens when nobody follows up for days."""

import strawberry
from crm.leads.v1 import escalation_pb2, escalation_service_pb2

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.playbooks import Escalation, EscalationPolicy

_OUTPUT = {"create_time", "update_time"}


@strawberry.type
class EscalationsQuery:
    @field("What happens after how many days without a follow-up, by department.")
    async def escalation_policies(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[EscalationPolicy] | None:
        method = info.context.services.escalations.ListEscalationPolicies
        request = escalation_service_pb2.ListEscalationPoliciesRequest
        return await connect(first, after, EscalationPolicy, pages(info.context, method, request, "policies"))

    @field(
        "The steps that were taken because nobody followed up, the newest first: about one lead or customer if given. "
        "Those that are `standing` hold until somebody follows up."
    )
    async def escalations(
        self,
        info: Info,
        subject: strawberry.ID | None = None,
        standing: bool = False,
        high_risk: bool = False,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[Escalation] | None:
        method, request = (
            info.context.services.escalations.ListEscalations,
            escalation_service_pb2.ListEscalationsRequest,
        )
        asked = {"subject": subject or "", "standing": standing, "high_risk": high_risk}
        return await connect(first, after, Escalation, pages(info.context, method, request, "escalations", **asked))


@derive_input(escalation_pb2.EscalationStep, required={"days"}, references={"assignee"})
class EscalationStepInput(Input[escalation_pb2.EscalationStep]):
    pass


@derive_input(
    escalation_pb2.EscalationPolicy,
    required={"display_name", "subject"},
    hide={"name", "etag", "disabled", *_OUTPUT},
    references={"department"},
)
class CreateEscalationPolicyInput(Input[escalation_pb2.EscalationPolicy]):
    request_id: RequestId = None


@derive_input(escalation_pb2.EscalationPolicy, required={"name"}, hide={"department", "subject", *_OUTPUT})
class UpdateEscalationPolicyInput(Input[escalation_pb2.EscalationPolicy]):
    request_id: RequestId = None


@strawberry.type
class EscalationsMutation:
    @mutation("Says what happens when nobody follows up: on days 3, 5 and 7 if no steps are given.")
    async def create_escalation_policy(
        self,
        info: Info,
        input: CreateEscalationPolicyInput,  # noqa: A002
    ) -> EscalationPolicy | None:
        request = escalation_service_pb2.CreateEscalationPolicyRequest(
            policy=input.to_proto(), request_id=input.request_id or ""
        )
        method = info.context.services.escalations.CreateEscalationPolicy
        return EscalationPolicy(await info.context.calls(method, request))

    @mutation("Changes what happens when nobody follows up.")
    async def update_escalation_policy(
        self,
        info: Info,
        input: UpdateEscalationPolicyInput,  # noqa: A002
    ) -> EscalationPolicy | None:
        request = escalation_service_pb2.UpdateEscalationPolicyRequest(
            policy=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        method = info.context.services.escalations.UpdateEscalationPolicy
        return EscalationPolicy(await info.context.calls(method, request))
