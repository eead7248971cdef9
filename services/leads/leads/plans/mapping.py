"""Plans from rows to messages, and from messages to what the use cases take. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chassis.etags import etag
from chassis.masks import changed_paths
from chassis.names import make_name, parse_name, parse_optional_name
from crm.leads.v1 import follow_up_pb2, plan_pb2, plan_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from leads.drafts import FollowUpDraft
from leads.mapping import draft_from_proto
from leads.model import PlanRules
from leads.plans.conflicts import Clash
from leads.plans.create import Outcome
from leads.plans.drafts import PlanDraft, Times
from leads.plans.records import PlanRecord
from leads.plans.recurrence import Slot
from leads.plans.rules import RULE_FIELDS, RULES_NAME, ConflictRules
from leads.plans.update import PlanPatch
from leads.subjects import parse_subject

_KINDS = {name.removeprefix("PLAN_KIND_"): number for name, number in plan_pb2.PlanKind.items()}
_KIND_NAMES = {number: name for name, number in _KINDS.items()}
STATUSES = {name.removeprefix("PLAN_STATUS_"): number for name, number in plan_pb2.PlanStatus.items()}
_RESPONSES = {name.removeprefix("PLAN_RESPONSE_"): number for name, number in plan_pb2.PlanResponse.items()}
_RESPONSE_NAMES = {number: name for name, number in _RESPONSES.items()}
_POLICIES = {name.removeprefix("CONFLICT_POLICY_"): number for name, number in plan_pb2.ConflictPolicy.items()}
_POLICY_NAMES = {number: name for name, number in _POLICIES.items()}

_VALUES = ("kind", "title", "place", "contacts", "guests", "reminder_minutes", "private")
_CHANGEABLE = {*_VALUES, "subject", "assignee", "participants", "recurrence"}


def plan_to_proto(record: PlanRecord) -> plan_pb2.Plan:
    """A plan."""
    plan = record.plan
    copied = (
        "name", "title", "place", "subject", "organiser", "guests", "start_time", "end_time", "time_zone", "all_day",
        "recurrence", "reminder_minutes", "private", "result", "cancel_reason", "sequence", "create_time",
        "update_time",
    )  # fmt: skip
    return plan_pb2.Plan(
        **{field: getattr(plan, field) for field in copied},
        kind=_KINDS[plan.kind],
        subject_title=record.subject_title,
        assignee=make_name("users", plan.assignee_id),
        participants=map(_participant, record.participants),
        contacts=[make_name("contacts", key) for key in plan.contact_ids],
        status=STATUSES[plan.status],
        deviations=map(_deviation, record.deviations),
        etag=etag(plan.version),
    )


def outcome_to_proto(record: PlanRecord, outcome: Outcome) -> plan_pb2.PlanOutcome:
    """A plan that was made or changed, and what speaks against its times."""
    message = plan_pb2.PlanOutcome(plan=plan_to_proto(record), conflicts=map(_conflict, outcome.clashes))
    for moment in outcome.outside:
        message.outside_working_hours.add().FromDatetime(moment)
    return message


def draft_of(plan: plan_pb2.Plan, zone: str) -> PlanDraft:
    """What is stated of a new plan, in a zone unless it says another. Raises Invalid."""
    return PlanDraft(
        values={field: _value(plan, field) for field in _VALUES if getattr(plan, field)},
        times=Times(
            time_of(plan, "start_time"), time_of(plan, "end_time"), plan.time_zone or zone, all_day=plan.all_day
        ),
        recurrence=plan.recurrence,
        subject=parse_subject(plan.subject) if plan.subject else None,
        assignee_id=parse_optional_name("users", plan.assignee, field="assignee"),
        participant_ids=_users(plan),
    )


def patch_of(request: plan_service_pb2.UpdatePlanRequest) -> PlanPatch:
    """What an update of a plan changes. Raises Invalid."""
    plan = request.plan
    paths = changed_paths(plan, request.update_mask, _CHANGEABLE)
    return PlanPatch(
        paths=frozenset(paths),
        values={field: _value(plan, field) for field in _VALUES if field in paths},
        recurrence=plan.recurrence if "recurrence" in paths else "",
        subject=parse_subject(plan.subject) if "subject" in paths and plan.subject else None,
        assignee_id=parse_optional_name("users", plan.assignee, field="assignee") if "assignee" in paths else None,
        participant_ids=_users(plan) if "participants" in paths else (),
    )


def follow_up_of(request: plan_service_pb2.CompletePlanRequest) -> FollowUpDraft | None:
    """What to log of a plan that took place; whom it is about is the plan's to say. Raises Invalid."""
    if not request.HasField("follow_up"):
        return None
    stated = follow_up_pb2.FollowUp()
    stated.CopyFrom(request.follow_up)
    stated.lead, stated.customer = "", make_name("customers", UUID(int=0))
    return replace(draft_from_proto(stated), customer_id=None)


def response_of(request: plan_service_pb2.RespondToPlanRequest) -> str:
    """What somebody says to a plan."""
    return _RESPONSE_NAMES.get(request.response, str(request.response))


def rules_to_proto(kept: PlanRules) -> plan_pb2.PlanRules:
    """The rules for plans."""
    rules = ConflictRules(**kept.rules)
    policies = {field: _POLICIES[getattr(rules, field)] for field in RULE_FIELDS}
    return plan_pb2.PlanRules(name=RULES_NAME, **policies, etag=etag(kept.version))


def rule_changes(request: plan_service_pb2.UpdatePlanRulesRequest) -> dict[str, Any]:
    """The rules that are to change."""
    paths = changed_paths(request.rules, request.update_mask, RULE_FIELDS)
    return {path: _POLICY_NAMES.get(getattr(request.rules, path), "") for path in paths}


def time_of(message: Any, field: str) -> datetime | None:
    """A time that may not be given."""
    moment: Timestamp = getattr(message, field)
    return moment.ToDatetime(UTC) if message.HasField(field) else None


def times(slot: Slot) -> dict[str, Any]:
    """When something begins and ends, as messages say it."""
    return {"start_time": slot.start, "end_time": slot.end}


def _users(plan: plan_pb2.Plan) -> Sequence[UUID]:
    return [parse_name("users", one.user, field="participants") for one in plan.participants]


def _value(plan: plan_pb2.Plan, field: str) -> Any:
    if field == "kind":
        return _KIND_NAMES.get(plan.kind, str(plan.kind))
    if field == "contacts":
        return [parse_name("contacts", name, field="contacts") for name in plan.contacts]
    return list(getattr(plan, field)) if field in ("guests", "reminder_minutes") else getattr(plan, field)


def _participant(row: Any) -> plan_pb2.PlanParticipant:
    return plan_pb2.PlanParticipant(
        user=make_name("users", row.user_id), response=_RESPONSES[row.response], respond_time=row.respond_time
    )


def _deviation(row: Any) -> plan_pb2.PlanDeviation:
    return plan_pb2.PlanDeviation(
        original_start_time=row.original_start,
        start_time=row.start_time,
        end_time=row.end_time,
        status=STATUSES[row.status],
        result=row.result,
    )


def _conflict(clash: Clash) -> plan_pb2.PlanConflict:
    return plan_pb2.PlanConflict(plan=clash.plan, title=clash.title, user=clash.user, **times(clash.slot))
