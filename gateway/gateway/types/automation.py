"""Rules that people make for themselves, and what they did."""

from typing import Any, cast

import strawberry
from crm.leads.v1 import automation_pb2, automation_service_pb2

from gateway.conditions import from_filter
from gateway.deriver import Record, derive
from gateway.fields import field


@derive(automation_pb2.AutomationTrigger, required={"kind"}, hide={"filter"})
class AutomationTrigger(Record[automation_pb2.AutomationTrigger]):
    @field("For SCHEDULE and TIME_AFTER: the leads that it is about; null for all.")
    def filter(self) -> strawberry.scalars.JSON | None:
        if not self.wire.HasField("filter"):
            return None
        held: Any = from_filter(self.wire.filter)
        return cast(strawberry.scalars.JSON, held) if held else None


@derive(automation_pb2.AutomationAction, required={"kind"}, relations={"user": "users", "users": "users"})
class AutomationAction(Record[automation_pb2.AutomationAction]):
    pass


@derive(
    automation_pb2.AutomationRule,
    required={"display_name", "state", "etag"},
    relations={"author": "users"},
)
class AutomationRule(Record[automation_pb2.AutomationRule]):
    pass


@derive(automation_pb2.AutomationResult, required={"kind", "state"})
class AutomationResult(Record[automation_pb2.AutomationResult]):
    pass


@derive(automation_pb2.AutomationRun, required={"rule_name", "event", "outcome"}, hide={"record", "rule"})
class AutomationRun(Record[automation_pb2.AutomationRun]):
    @field("The id of the rule; null in a preview.")
    def rule(self) -> strawberry.ID | None:
        return strawberry.ID(self.wire.rule) if self.wire.rule else None

    @field("The id of the lead or customer.")
    def record(self) -> strawberry.ID:
        return strawberry.ID(self.wire.record)


@derive(automation_service_pb2.PreviewAutomationRuleResponse)
class AutomationPreview(Record[automation_service_pb2.PreviewAutomationRuleResponse]):
    pass


@derive(automation_service_pb2.AutomationExpressionIssue, required={"reason", "message"})
class AutomationExpressionIssue(Record[automation_service_pb2.AutomationExpressionIssue]):
    pass


@derive(automation_service_pb2.AutomationVariable, required={"type"}, hide={"name"})
class AutomationVariable(Record[automation_service_pb2.AutomationVariable]):
    @field("Its name, e.g. `lead.status`.")
    def name(self) -> str:
        return self.wire.name


@derive(automation_service_pb2.ValidateAutomationExpressionResponse)
class AutomationValidation(Record[automation_service_pb2.ValidateAutomationExpressionResponse]):
    pass
