"""AutomationService."""

from collections.abc import Callable
from datetime import UTC
from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name, parse_optional_name
from crm.leads.v1 import automation_pb2, automation_service_pb2, automation_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from leads.automation import mapping, queries
from leads.automation.create_rule import FIELDS, create_rule, draft_of
from leads.automation.previews import preview
from leads.automation.update_rule import delete_rule, publish_rule, suspend_rule, update_rule
from leads.automation.validating import validate
from leads.automation.webhooks import WebhookPolicy
from leads.model import AutomationRule

COLLECTION = "automationRules"


class AutomationServicer(automation_service_pb2_grpc.AutomationServiceServicer):
    """Implements AutomationService."""

    def __init__(self, calls: Calls, webhooks: WebhookPolicy) -> None:
        self.calls = calls
        self.webhooks = webhooks

    def ListAutomationRules(
        self, request: automation_service_pb2.ListAutomationRulesRequest, context: Any
    ) -> automation_service_pb2.ListAutomationRulesResponse:
        state = mapping.state_from_proto(request.state)
        with self.calls.read() as session:
            page = queries.list_rules(session, state, page_size=request.page_size, page_token=request.page_token)
        return automation_service_pb2.ListAutomationRulesResponse(
            rules=map(mapping.rule_to_proto, page.rows), next_page_token=page.next_token
        )

    def GetAutomationRule(
        self, request: automation_service_pb2.GetAutomationRuleRequest, context: Any
    ) -> automation_pb2.AutomationRule:
        rule_id = parse_name(COLLECTION, request.name)
        with self.calls.read() as session:
            return mapping.rule_to_proto(queries.read_rule(session, rule_id))

    def CreateAutomationRule(
        self, request: automation_service_pb2.CreateAutomationRuleRequest, context: Any
    ) -> automation_pb2.AutomationRule:
        values = mapping.values_from_proto(request.rule, FIELDS)
        return self._write(request, lambda session: create_rule(session, values, self.webhooks))

    def UpdateAutomationRule(
        self, request: automation_service_pb2.UpdateAutomationRuleRequest, context: Any
    ) -> automation_pb2.AutomationRule:
        given = request.rule
        rule_id = parse_name(COLLECTION, given.name)
        values = mapping.values_from_proto(given, changed_paths(given, request.update_mask, FIELDS))
        return self._write(
            request, lambda session: update_rule(session, rule_id, values, self.webhooks, etag=given.etag)
        )

    def PublishAutomationRule(
        self, request: automation_service_pb2.PublishAutomationRuleRequest, context: Any
    ) -> automation_pb2.AutomationRule:
        rule_id = parse_name(COLLECTION, request.name)
        return self._write(request, lambda session: publish_rule(session, rule_id, self.webhooks, etag=request.etag))

    def SuspendAutomationRule(
        self, request: automation_service_pb2.SuspendAutomationRuleRequest, context: Any
    ) -> automation_pb2.AutomationRule:
        rule_id = parse_name(COLLECTION, request.name)
        return self._write(request, lambda session: suspend_rule(session, rule_id, etag=request.etag))

    def DeleteAutomationRule(self, request: automation_service_pb2.DeleteAutomationRuleRequest, context: Any) -> Empty:
        rule_id = parse_name(COLLECTION, request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_rule(session, rule_id, etag=request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)

    def ListAutomationRuns(
        self, request: automation_service_pb2.ListAutomationRunsRequest, context: Any
    ) -> automation_service_pb2.ListAutomationRunsResponse:
        rule_id = parse_optional_name(COLLECTION, request.rule, field="rule")
        with self.calls.read() as session:
            page = queries.list_runs(
                session,
                rule_id=rule_id,
                record=request.record,
                outcome=mapping.outcome_from_proto(request.outcome),
                start=request.start_time.ToDatetime(UTC) if request.HasField("start_time") else None,
                end=request.end_time.ToDatetime(UTC) if request.HasField("end_time") else None,
                page_size=request.page_size,
                page_token=request.page_token,
            )
        return automation_service_pb2.ListAutomationRunsResponse(
            runs=map(mapping.run_to_proto, page.rows), next_page_token=page.next_token
        )

    def PreviewAutomationRule(
        self, request: automation_service_pb2.PreviewAutomationRuleRequest, context: Any
    ) -> automation_service_pb2.PreviewAutomationRuleResponse:
        values = mapping.values_from_proto(request.rule, FIELDS)
        values["display_name"] = values["display_name"] or "draft"
        with self.calls.read() as session:
            caller = session.caller
            caller.require_everything("automation.configure")
            rule = draft_of(session, values, self.webhooks, author_id=caller.user_id or parse_name("users", ""))
            return mapping.preview_to_proto(rule, preview(session, rule, request.days or 7))

    def ValidateAutomationExpression(
        self, request: automation_service_pb2.ValidateAutomationExpressionRequest, context: Any
    ) -> automation_service_pb2.ValidateAutomationExpressionResponse:
        trigger = mapping.trigger_from_proto(request.trigger)
        with self.calls.read() as session:
            return mapping.issues_to_proto(*validate(session, request.expression, trigger))

    def _write(self, request: Any, change: Callable[[ServiceSession], AutomationRule]) -> automation_pb2.AutomationRule:
        return self.calls.write(
            request, automation_pb2.AutomationRule, lambda session: mapping.rule_to_proto(change(session))
        )
