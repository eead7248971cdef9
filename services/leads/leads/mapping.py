"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Set
from datetime import UTC, datetime
from typing import Any

from chassis.errors import DomainError, Invalid
from chassis.etags import etag
from chassis.names import make_name, parse_name, parse_optional_name
from crm.leads.v1 import follow_up_pb2, follow_up_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from leads.drafts import FollowUpDraft
from leads.effectiveness import CheckIn, EffectivenessRules
from leads.model import FollowUp, FollowUpRules
from leads.usecases.update_follow_up_rules import RULES_NAME

_METHODS = {name.removeprefix("FOLLOW_UP_METHOD_"): number for name, number in follow_up_pb2.FollowUpMethod.items()}
_NAMES = {number: name for name, number in _METHODS.items()}
_VERDICTS = {name.removeprefix("FOLLOW_UP_VERDICT_"): number for name, number in follow_up_pb2.FollowUpVerdict.items()}
_REASONS = {
    name.removeprefix("FOLLOW_UP_VERDICT_REASON_"): number
    for name, number in follow_up_pb2.FollowUpVerdictReason.items()
}
RULE_FIELDS = frozenset(EffectivenessRules.__dataclass_fields__)
"""The fields of the rules that may be changed."""


def follow_up_to_proto(row: Any) -> follow_up_pb2.FollowUp:
    """A follow-up, from an entity or a row of its columns."""
    return follow_up_pb2.FollowUp(
        name=f"followUps/{row.id}",
        customer=make_name("customers", row.customer_id),
        lead=make_name("leads", row.lead_id),
        method=_METHODS[row.method],
        content=row.content,
        contact=make_name("contacts", row.contact_id),
        occur_time=row.occur_time,
        next_contact_time=row.next_contact_time,
        author=row.author,
        remind_time=row.remind_time,
        assignee=make_name("users", row.assignee_id),
        follows_owner=row.follows_owner,
        create_time=row.create_time,
        duration_seconds=row.duration_seconds or 0,
        inbound=row.inbound,
        check_in=_check_in_to_proto(CheckIn.from_json(row.check_in)) if row.check_in is not None else None,
        verdict=_VERDICTS[row.verdict or "UNSPECIFIED"],
        verdict_reasons=[_REASONS[reason] for reason in row.verdict_reasons],
        joint_theatre=row.joint_theatre or "",
        awaits_acknowledgement=row.awaits_acknowledgement,
        acknowledge_time=row.acknowledge_time,
        mentions=[f"users/{key}" for key in row.mentions],
    )


def draft_from_proto(follow_up: follow_up_pb2.FollowUp) -> FollowUpDraft:
    """What the author of a follow-up states."""
    lead_id = parse_optional_name("leads", follow_up.lead, field="lead")
    parse_customer = parse_name if lead_id is None else parse_optional_name
    return FollowUpDraft(
        customer_id=parse_customer("customers", follow_up.customer, field="customer"),
        lead_id=lead_id,
        method=_NAMES.get(follow_up.method, str(follow_up.method)),
        content=follow_up.content,
        contact_id=parse_optional_name("contacts", follow_up.contact, field="contact"),
        occur_time=_time(follow_up.occur_time) if follow_up.HasField("occur_time") else None,
        next_contact_time=_time(follow_up.next_contact_time) if follow_up.HasField("next_contact_time") else None,
        duration_seconds=follow_up.duration_seconds or None,
        inbound=follow_up.inbound,
        check_in=_check_in(follow_up.check_in) if follow_up.HasField("check_in") else None,
        mentions=tuple(parse_name("users", name, field="mentions") for name in follow_up.mentions),
    )


def outcome_to_proto(outcome: FollowUp | DomainError) -> follow_up_service_pb2.FollowUpOutcome:
    """What came of logging a follow-up."""
    if isinstance(outcome, FollowUp):
        return follow_up_service_pb2.FollowUpOutcome(follow_up=follow_up_to_proto(outcome))
    fault = outcome.violations[0] if isinstance(outcome, Invalid) and outcome.violations else outcome
    return follow_up_service_pb2.FollowUpOutcome(reason=fault.reason, field=fault.field, message=fault.message)


def rules_to_proto(kept: FollowUpRules) -> follow_up_pb2.FollowUpRules:
    """The rules by which follow-ups are judged."""
    return follow_up_pb2.FollowUpRules(
        name=RULES_NAME, **EffectivenessRules.from_json(kept.rules).to_json(), etag=etag(kept.version)
    )


def rule_changes(rules: follow_up_pb2.FollowUpRules, paths: Set[str]) -> dict[str, Any]:
    """The rules at some paths, as the use case takes them."""
    values = {path: getattr(rules, path) for path in paths}
    return values | (
        {"boilerplate_phrases": tuple(rules.boilerplate_phrases)} if "boilerplate_phrases" in paths else {}
    )


def _check_in_to_proto(check_in: CheckIn) -> follow_up_pb2.CheckIn:
    message = follow_up_pb2.CheckIn(
        latitude=check_in.latitude, longitude=check_in.longitude, accuracy_metres=check_in.accuracy_metres
    )
    message.time.FromDatetime(check_in.time)
    return message


def _check_in(check_in: follow_up_pb2.CheckIn) -> CheckIn:
    return CheckIn(check_in.latitude, check_in.longitude, check_in.accuracy_metres, _time(check_in.time))


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)
