"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from chassis.etags import etag
from chassis.filters import filter_from_json, filter_to_json
from chassis.masks import changed_paths
from chassis.names import make_name, parse_name, parse_optional_name
from crm.leads.v1 import assignment_pb2 as pb
from google.protobuf.field_mask_pb2 import FieldMask

from leads.assignment.capacities import CAPACITY_FIELDS
from leads.assignment.explaining import Explanation
from leads.assignment.people import Load
from leads.assignment.rules import DEFAULTS, SETTINGS_NAME
from leads.lead_mapping import lead_to_proto
from leads.model import (
    AssignmentRule,
    Lead,
    LeadAbsence,
    LeadAssignment,
    LeadAssignmentSettings,
    LeadCapacity,
    WaitingLead,
)

_PLAIN = ("display_name", "priority", "disabled", "accept_minutes", "max_tries", "performance_days", "manager_is_head")
_TIMES = ("active_from", "active_until")
RULE_PATHS = frozenset(
    {*_PLAIN, *_TIMES, "condition", "strategy", "users", "departments", "headed_departments", "roles",
     "required_skills", "outside_hours", "fallback_department", "manager"}
)  # fmt: skip
SETTINGS_PATHS = frozenset({"fallback_department", "manager"})
_REFERENCES = {
    "fallback_department": ("departments", "fallback_department_id"),
    "manager": ("users", "manager_id"),
}


def rule_to_proto(rule: AssignmentRule) -> pb.AssignmentRule:
    """A rule."""
    times: Any = rule
    message = pb.AssignmentRule(
        name=rule.name,
        **{field: getattr(rule, field) for field in (*_PLAIN, *_TIMES, "required_skills", "creator")},
        strategy=pb.AssignmentStrategy.Value(f"ASSIGNMENT_STRATEGY_{rule.strategy}"),
        users=[f"users/{key}" for key in rule.users],
        departments=[f"departments/{key}" for key in rule.departments],
        headed_departments=[f"departments/{key}" for key in rule.headed_departments],
        roles=[f"roles/{key}" for key in rule.roles],
        outside_hours=pb.OutsideHours.Value(f"OUTSIDE_HOURS_{rule.outside_hours}"),
        fallback_department=make_name("departments", rule.fallback_department_id),
        manager=make_name("users", rule.manager_id),
        etag=etag(rule.version),
        create_time=times.create_time,
        update_time=times.update_time,
    )
    message.condition.CopyFrom(filter_from_json(rule.condition))
    return message


def new_rule(rule: pb.AssignmentRule) -> dict[str, Any]:
    """What is stated about a new rule, by column."""
    return _rule_values(rule, {field.name for field, _ in rule.ListFields()} & RULE_PATHS)


def rule_patch(rule: pb.AssignmentRule, mask: FieldMask) -> dict[str, Any]:
    """What an update of a rule changes, by column. What is cleared takes its default."""
    return _rule_values(rule, changed_paths(rule, mask, RULE_PATHS))


def _rule_values(rule: pb.AssignmentRule, paths: Collection[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for path in sorted(paths):
        if path in _REFERENCES:
            collection, column = _REFERENCES[path]
            values[column] = parse_optional_name(collection, getattr(rule, path), field=path)
        else:
            values[path] = _rule_value(rule, path)
    return values


def _rule_value(rule: pb.AssignmentRule, path: str) -> Any:
    match path:
        case "condition":
            return filter_to_json(rule.condition)
        case "strategy":
            return pb.AssignmentStrategy.Name(rule.strategy).removeprefix("ASSIGNMENT_STRATEGY_")
        case "outside_hours":
            name = pb.OutsideHours.Name(rule.outside_hours).removeprefix("OUTSIDE_HOURS_")
            return DEFAULTS[path] if name == "UNSPECIFIED" else name
        case "users" | "departments" | "headed_departments" | "roles":
            collection = "departments" if path == "headed_departments" else path
            return [parse_name(collection, name, field=path) for name in getattr(rule, path)]
        case "required_skills":
            return list(rule.required_skills)
        case "active_from" | "active_until":
            return moment(rule, path)
    return getattr(rule, path) or DEFAULTS.get(path, getattr(rule, path))


def moment(message: Any, field: str) -> datetime | None:
    """The time in a field, if it is set."""
    return getattr(message, field).ToDatetime(UTC) if message.HasField(field) else None


def settings_to_proto(settings: LeadAssignmentSettings) -> pb.LeadAssignmentSettings:
    """The settings."""
    return pb.LeadAssignmentSettings(
        name=SETTINGS_NAME,
        fallback_department=make_name("departments", settings.fallback_department_id),
        manager=make_name("users", settings.manager_id),
        etag=etag(settings.version),
    )


def settings_patch(settings: pb.LeadAssignmentSettings, mask: FieldMask) -> dict[str, Any]:
    """What an update of the settings changes, by column."""
    values = {}
    for path in changed_paths(settings, mask, SETTINGS_PATHS):
        collection, column = _REFERENCES[path]
        values[column] = parse_optional_name(collection, getattr(settings, path), field=path)
    return values


def capacity_to_proto(capacity: LeadCapacity, load: Load) -> pb.LeadCapacity:
    """How many leads somebody can be given, and how many they have."""
    return pb.LeadCapacity(
        name=make_name("leadCapacities", capacity.user_id),
        user=make_name("users", capacity.user_id),
        **{field: getattr(capacity, field) for field in CAPACITY_FIELDS},
        given_today=load.today,
        given_this_month=load.this_month,
        open_leads=load.open_leads,
        etag=etag(capacity.version),
    )


def capacity_patch(capacity: pb.LeadCapacity, mask: FieldMask) -> dict[str, Any]:
    """What an update of a capacity changes."""
    lists = {"regions", "skills", "hours"}
    return {
        path: list(getattr(capacity, path)) if path in lists else getattr(capacity, path)
        for path in sorted(changed_paths(capacity, mask, CAPACITY_FIELDS))
    }


def absence_to_proto(absence: LeadAbsence) -> pb.LeadAbsence:
    """An absence."""
    times: Any = absence
    return pb.LeadAbsence(
        name=absence.name,
        user=make_name("users", absence.user_id),
        start_time=times.start_time,
        end_time=times.end_time,
        creator=absence.creator,
        create_time=times.create_time,
    )


def assignment_to_proto(assignment: LeadAssignment) -> pb.LeadAssignment:
    """A decision."""
    times: Any = assignment
    return pb.LeadAssignment(
        name=assignment.name,
        lead=make_name("leads", assignment.lead_id),
        outcome=pb.AssignmentOutcome.Value(f"ASSIGNMENT_OUTCOME_{assignment.outcome}"),
        cause=pb.AssignmentCause.Value(f"ASSIGNMENT_CAUSE_{assignment.cause}"),
        rule=make_name("assignmentRules", assignment.rule_id),
        rule_display_name=assignment.detail.get("rule", ""),
        assignee=make_name("users", assignment.assignee_id),
        reason=assignment.reason,
        acceptance=pb.AcceptanceState.Value(f"ACCEPTANCE_STATE_{assignment.acceptance or 'UNSPECIFIED'}"),
        accept_due_time=times.accept_due_time,
        decline_reason=assignment.decline_reason or "",
        decide_time=times.decide_time,
        settle_time=times.settle_time,
    )


def explanation_to_proto(explanation: Explanation) -> pb.AssignmentExplanation:
    """Why a decision is as it is."""
    strategy = explanation.strategy or "UNSPECIFIED"
    return pb.AssignmentExplanation(
        assignment=assignment_to_proto(explanation.assignment),
        rules=[
            pb.RuleVerdict(
                rule=make_name("assignmentRules", one.rule_id),
                display_name=one.display_name,
                priority=one.priority,
                matched=one.matched,
                applied=one.applied,
                reason=one.reason,
            )
            for one in explanation.rules
        ],
        strategy=pb.AssignmentStrategy.Value(f"ASSIGNMENT_STRATEGY_{strategy}"),
        candidates=[
            pb.AssignmentCandidate(
                user=make_name("users", one.user_id),
                score=one.score,
                debt=one.debt,
                chosen=one.chosen,
                exclusion=one.exclusion,
            )
            for one in explanation.candidates
        ],
        tie_break=explanation.tie_break,
    )


def pooled_to_proto(row: WaitingLead, lead: Lead) -> pb.PooledLead:
    """A lead of the fallback pool."""
    times: Any = row
    return pb.PooledLead(
        lead=lead_to_proto(lead),
        waiting=row.waiting,
        reason=row.reason,
        rule=make_name("assignmentRules", row.rule_id),
        fallback_department=make_name("departments", row.fallback_department_id),
        pool_time=times.pool_time,
        retry_time=times.retry_time,
    )
