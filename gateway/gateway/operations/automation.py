"""Rules that people make for themselves: when, if, then."""

from datetime import datetime
from typing import TYPE_CHECKING

import strawberry
from crm.leads.v1 import automation_pb2, lead_pb2
from crm.leads.v1 import automation_service_pb2 as pb

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.automation import AutomationPreview, AutomationRule, AutomationRun, AutomationValidation

if TYPE_CHECKING:
    from enum import Enum as AutomationOutcome
    from enum import Enum as AutomationState
else:
    AutomationState = enum_of(automation_pb2.DESCRIPTOR.enum_types_by_name["AutomationState"])
    AutomationOutcome = enum_of(automation_pb2.DESCRIPTOR.enum_types_by_name["AutomationOutcome"])

_OUTPUT = {"state", "author", "suspension_reason", "next_run_time", "create_time", "update_time"}


@derive_input(automation_pb2.AutomationTrigger, required={"kind"}, hide={"filter"})
class AutomationTriggerInput(Input[automation_pb2.AutomationTrigger]):
    filter: FilterInput | None = strawberry.field(
        default=None, description="For SCHEDULE and TIME_AFTER: the leads that it is about; all if not given."
    )

    def to_proto(self) -> automation_pb2.AutomationTrigger:
        """The message with what was given."""
        message = super().to_proto()
        conditions = to_filter(self.filter, lead_pb2.Lead.DESCRIPTOR)
        if conditions is not None:
            message.filter.CopyFrom(conditions)
        return message


@derive_input(automation_pb2.AutomationAction, required={"kind"}, references={"user", "users"})
class AutomationActionInput(Input[automation_pb2.AutomationAction]):
    pass


@derive_input(
    automation_pb2.AutomationRule,
    required={"display_name", "trigger", "actions"},
    hide={"name", "etag", *_OUTPUT},
)
class CreateAutomationRuleInput(Input[automation_pb2.AutomationRule]):
    request_id: RequestId = None


@derive_input(automation_pb2.AutomationRule, required={"name"}, hide=_OUTPUT)
class UpdateAutomationRuleInput(Input[automation_pb2.AutomationRule]):
    request_id: RequestId = None


@derive_input(automation_pb2.AutomationRule, required={"trigger", "actions"}, hide={"name", "etag", *_OUTPUT})
class PreviewAutomationRuleInput(Input[automation_pb2.AutomationRule]):
    pass


@strawberry.input(description="Names a rule that is to run or to stop.")
class AutomationRuleInput:
    id: strawberry.ID
    etag: str | None = strawberry.field(default=None, description="What the caller saw last.")
    request_id: RequestId = None


@strawberry.type
class AutomationQuery:
    @field("The automation rules, those that run first first.")
    async def automation_rules(
        self, info: Info, state: AutomationState | None = None, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[AutomationRule] | None:
        method, request = info.context.services.automation.ListAutomationRules, pb.ListAutomationRulesRequest
        fetch = pages(info.context, method, request, "rules", state=state.value if state is not None else 0)
        return await connect(first, after, AutomationRule, fetch)

    @field("An automation rule.")
    async def automation_rule(self, info: Info, key: Key) -> AutomationRule | None:
        request = pb.GetAutomationRuleRequest(name=key)
        return AutomationRule(await info.context.calls(info.context.services.automation.GetAutomationRule, request))

    @field("The runs of automation rules, the newest first.")
    async def automation_runs(
        self,
        info: Info,
        rule: strawberry.ID | None = None,
        record: strawberry.ID | None = None,
        outcome: AutomationOutcome | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[AutomationRun] | None:
        fetch = pages(
            info.context,
            info.context.services.automation.ListAutomationRuns,
            pb.ListAutomationRunsRequest,
            "runs",
            rule=rule or "",
            record=record or "",
            outcome=outcome.value if outcome is not None else 0,
            start_time=start_time,
            end_time=end_time,
        )
        return await connect(first, after, AutomationRun, fetch)

    @field("What a rule would have done in the last days, for leads that the caller reaches. Changes nothing.")
    async def preview_automation_rule(
        self, info: Info, rule: PreviewAutomationRuleInput, days: int = 7
    ) -> AutomationPreview | None:
        request = pb.PreviewAutomationRuleRequest(rule=rule.to_proto(), days=days)
        method = info.context.services.automation.PreviewAutomationRule
        return AutomationPreview(await info.context.calls(method, request))

    @field("Judges a condition, says where it is wrong, and what conditions and texts can name.")
    async def automation_expression(
        self, info: Info, expression: str, trigger: AutomationTriggerInput
    ) -> AutomationValidation | None:
        request = pb.ValidateAutomationExpressionRequest(expression=expression, trigger=trigger.to_proto())
        method = info.context.services.automation.ValidateAutomationExpression
        return AutomationValidation(await info.context.calls(method, request))


@strawberry.type
class AutomationMutation:
    @mutation("Makes an automation rule, as a draft. The caller becomes its author.")
    async def create_automation_rule(
        self,
        info: Info,
        input: CreateAutomationRuleInput,  # noqa: A002
    ) -> AutomationRule | None:
        request = pb.CreateAutomationRuleRequest(rule=input.to_proto(), request_id=input.request_id or "")
        return AutomationRule(await info.context.calls(info.context.services.automation.CreateAutomationRule, request))

    @mutation("Changes an automation rule. The caller becomes its author. A published rule goes on as changed.")
    async def update_automation_rule(
        self,
        info: Info,
        input: UpdateAutomationRuleInput,  # noqa: A002
    ) -> AutomationRule | None:
        request = pb.UpdateAutomationRuleRequest(
            rule=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return AutomationRule(await info.context.calls(info.context.services.automation.UpdateAutomationRule, request))

    @mutation("Lets an automation rule run from now on. The caller becomes its author.")
    async def publish_automation_rule(
        self,
        info: Info,
        input: AutomationRuleInput,  # noqa: A002
    ) -> AutomationRule | None:
        request = pb.PublishAutomationRuleRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        return AutomationRule(await info.context.calls(info.context.services.automation.PublishAutomationRule, request))

    @mutation("Stops an automation rule.")
    async def suspend_automation_rule(
        self,
        info: Info,
        input: AutomationRuleInput,  # noqa: A002
    ) -> AutomationRule | None:
        request = pb.SuspendAutomationRuleRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        return AutomationRule(await info.context.calls(info.context.services.automation.SuspendAutomationRule, request))

    @mutation("Deletes an automation rule. Its runs stay until they are purged.")
    async def delete_automation_rule(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = pb.DeleteAutomationRuleRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.automation.DeleteAutomationRule, request)
        return input.id
