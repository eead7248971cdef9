"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from chassis.etags import etag
from chassis.filters import filter_from_json, filter_to_json
from chassis.names import make_name
from crm.leads.v1 import automation_pb2 as pb
from crm.leads.v1 import automation_service_pb2 as service_pb

from leads.automation.expressions import Issue
from leads.automation.previews import APPROXIMATIONS, Match, Preview
from leads.automation.vocabulary import Variable
from leads.model import AutomationRule

_ACTION_FIELDS = (
    "text", "users", "to_owner", "to_manager", "field", "value", "user", "by_assignment_rules", "url", "payload",
    "due_hours", "reason", "stage",
)  # fmt: skip
_STATES = {name.removeprefix("AUTOMATION_STATE_"): number for name, number in pb.AutomationState.items()}
_OUTCOMES = {name.removeprefix("AUTOMATION_OUTCOME_"): number for name, number in pb.AutomationOutcome.items()}
_KINDS = {name.removeprefix("AUTOMATION_ACTION_KIND_"): number for name, number in pb.AutomationActionKind.items()}
_TRIGGERS = {name.removeprefix("AUTOMATION_TRIGGER_KIND_"): number for name, number in pb.AutomationTriggerKind.items()}
_UNITS = {name.removeprefix("AUTOMATION_UNIT_"): number for name, number in pb.AutomationUnit.items()}


def rule_to_proto(rule: Any) -> pb.AutomationRule:
    """A rule."""
    return pb.AutomationRule(
        name=rule.name,
        display_name=rule.display_name,
        state=_STATES[rule.state],
        priority=rule.priority,
        trigger=_trigger_to_proto(rule.trigger),
        condition=rule.condition,
        actions=[_action_to_proto(action) for action in rule.actions],
        author=make_name("users", rule.author_id),
        suspension_reason=rule.suspension_reason,
        next_run_time=rule.next_run_time,
        etag=etag(rule.version),
        create_time=rule.create_time,
        update_time=rule.update_time,
    )


def _trigger_to_proto(trigger: Mapping[str, Any]) -> pb.AutomationTrigger:
    plain = {key: trigger[key] for key in ("event", "field", "from_value", "to_value", "amount") if key in trigger}
    message = pb.AutomationTrigger(kind=_TRIGGERS[trigger["kind"]], unit=_UNITS[trigger.get("unit", "UNSPECIFIED")])
    for key, value in plain.items():
        setattr(message, key, value)
    if "schedule" in trigger:
        message.schedule.CopyFrom(pb.AutomationSchedule(**trigger["schedule"]))
    if trigger.get("filter"):
        message.filter.CopyFrom(filter_from_json(trigger["filter"]))
    return message


def _action_to_proto(action: Mapping[str, Any]) -> pb.AutomationAction:
    given = {key: action[key] for key in _ACTION_FIELDS if key in action}
    return pb.AutomationAction(kind=_KINDS[action["kind"]], **given)


def values_from_proto(rule: pb.AutomationRule, paths: Iterable[str]) -> dict[str, Any]:
    """What is stated of a rule, by field."""
    wanted = set(paths)
    plain = {key: getattr(rule, key) for key in ("display_name", "priority", "condition")}
    values = {key: value for key, value in plain.items() if key in wanted}
    if "trigger" in wanted:
        values["trigger"] = trigger_from_proto(rule.trigger)
    if "actions" in wanted:
        values["actions"] = [_action_from_proto(action) for action in rule.actions]
    return values


def trigger_from_proto(trigger: pb.AutomationTrigger) -> dict[str, Any]:
    """What starts a rule, as stated."""
    schedule = trigger.schedule
    return {
        "kind": _name(pb.AutomationTriggerKind, trigger.kind, "AUTOMATION_TRIGGER_KIND_"),
        "event": trigger.event,
        "field": trigger.field,
        "from_value": trigger.from_value if trigger.HasField("from_value") else None,
        "to_value": trigger.to_value if trigger.HasField("to_value") else None,
        "schedule": {
            "time": schedule.time,
            "weekdays": list(schedule.weekdays),
            "month_days": list(schedule.month_days),
            "working_days_only": schedule.working_days_only,
        },
        "filter": filter_to_json(trigger.filter),
        "amount": trigger.amount,
        "unit": _name(pb.AutomationUnit, trigger.unit, "AUTOMATION_UNIT_"),
    }


def _action_from_proto(action: pb.AutomationAction) -> dict[str, Any]:
    values = {key: getattr(action, key) for key in _ACTION_FIELDS}
    plain = {key: list(value) if key in ("users", "payload") else value for key, value in values.items()}
    kind = _name(pb.AutomationActionKind, action.kind, "AUTOMATION_ACTION_KIND_")
    return {"kind": kind, **{key: value for key, value in plain.items() if value}}


def _name(enum: Any, number: int, prefix: str) -> str:
    return str(enum.Name(number)).removeprefix(prefix) if number in enum.values() else ""


def state_from_proto(number: int) -> str:
    """The state that a list is asked for; empty for any."""
    return _name(pb.AutomationState, number, "AUTOMATION_STATE_") if number else ""


def outcome_from_proto(number: int) -> str:
    """The outcome that a list is asked for; empty for any."""
    return _name(pb.AutomationOutcome, number, "AUTOMATION_OUTCOME_") if number else ""


def run_to_proto(run: Any) -> pb.AutomationRun:
    """A run."""
    message = pb.AutomationRun(
        name=run.name,
        rule=make_name("automationRules", run.rule_id),
        rule_name=run.rule_name,
        record=run.record,
        event=run.event,
        outcome=_OUTCOMES[run.outcome],
        reason=run.reason,
        message=run.message,
        results=map(_result_to_proto, run.results),
        depth=run.depth,
        run_time=run.run_time,
        duration_ms=run.duration_ms,
    )
    message.values.update(run.read_values)
    return message


def _result_to_proto(result: Mapping[str, Any]) -> pb.AutomationResult:
    return pb.AutomationResult(kind=_KINDS[result["kind"]], state=result["state"], detail=result["detail"])


def preview_to_proto(rule: AutomationRule, preview: Preview) -> service_pb.PreviewAutomationRuleResponse:
    """What a rule would have done."""
    return service_pb.PreviewAutomationRuleResponse(
        tried=preview.tried,
        matched=preview.matched,
        matches=[_match_to_proto(rule, match) for match in preview.matches],
        incomplete=preview.incomplete,
        approximations=APPROXIMATIONS,
    )


def _match_to_proto(rule: AutomationRule, match: Match) -> pb.AutomationRun:
    message = pb.AutomationRun(
        rule_name=rule.display_name,
        record=match.occasion.subject.name,
        event=match.occasion.event,
        outcome=_OUTCOMES[match.outcome],
        reason=match.reason,
        message=match.message,
        results=map(_result_to_proto, match.results),
        run_time=match.time,
    )
    message.values.update(match.values)
    return message


def issues_to_proto(
    issues: Iterable[Issue], variables: Mapping[str, Variable]
) -> service_pb.ValidateAutomationExpressionResponse:
    """What is wrong with a condition, and what it can name."""
    return service_pb.ValidateAutomationExpressionResponse(
        issues=[
            service_pb.AutomationExpressionIssue(
                reason=issue.reason, message=issue.message, line=issue.line, column=issue.column
            )
            for issue in issues
        ],
        variables=[
            service_pb.AutomationVariable(name=each.name, type=each.type, choices=each.choices)
            for each in variables.values()
        ],
    )
