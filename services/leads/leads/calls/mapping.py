"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Set
from datetime import UTC, datetime
from typing import Any

from chassis.calendars import parse_day
from chassis.etags import etag
from chassis.names import make_name, parse_name, parse_optional_name
from crm.leads.v1 import call_pb2, call_service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from leads.calls.making import DialDraft
from leads.calls.outcomes import OutcomeDraft, Report
from leads.calls.queries import NOBODY, Period
from leads.calls.rules import RULES, CallRules, Outcome
from leads.subjects import parse_subject

RULE_FIELDS = frozenset({"outcomes", "extensions"})


def call_to_proto(call: Any, title: str) -> call_pb2.Call:
    """A call."""
    return call_pb2.Call(
        name=call.name,
        subject=call.subject,
        subject_title=title,
        assignee=make_name("users", call.assignee_id),
        direction=call_pb2.CallDirection.Value(f"CALL_DIRECTION_{call.direction}"),
        phone=call.phone,
        state=call_pb2.CallState.Value(f"CALL_STATE_{call.state}"),
        start_time=call.start_time,
        answer_time=call.answer_time,
        end_time=call.end_time,
        duration_seconds=call.duration_seconds,
        recording_url=call.recording_url,
        provider=call.provider,
        provider_call_id=call.provider_call_id or "",
        outcome=call.outcome,
        note=call.note,
        outcome_time=call.outcome_time,
        follow_up=make_name("followUps", call.follow_up_id),
        candidates=call.candidates,
        failure_reason=call.failure_reason,
        etag=etag(call.version),
    )


def dial_from_proto(request: call_service_pb2.DialRequest) -> DialDraft:
    """Whom to call. Raises Invalid."""
    return DialDraft(parse_subject(request.subject) if request.subject else None, request.phone)


def outcome_from_proto(request: call_service_pb2.SetCallOutcomeRequest) -> OutcomeDraft:
    """What came of a call. Raises Invalid."""
    return OutcomeDraft(
        outcome=request.outcome,
        note=request.note,
        duration_seconds=request.duration_seconds,
        report=_report(request.report) if request.HasField("report") else None,
    )


def _report(report: call_service_pb2.CallReport) -> Report:
    return Report(
        content=report.content,
        contact_id=parse_optional_name("contacts", report.contact, field="report.contact"),
        next_contact_time=_time(report.next_contact_time) if report.HasField("next_contact_time") else None,
    )


def period_from_proto(request: call_service_pb2.ListCallStatisticsRequest) -> Period:
    """Which calls are counted. Raises Invalid."""
    return Period(
        parse_day(request.start_date, field="start_date"),
        parse_day(request.end_date, field="end_date"),
        parse_optional_name("users", request.user, field="user"),
    )


def statistics_to_proto(row: Any) -> call_pb2.CallStatisticsRow:
    """What somebody's calls of a day came to."""
    outcomes = sorted((row.outcomes or {}).items())
    return call_pb2.CallStatisticsRow(
        date=row.day.isoformat(),
        user=make_name("users", row.person) if row.person != NOBODY else "",
        calls=int(row.calls),
        inbound=int(row.inbound),
        connected=int(row.connected),
        talk_seconds=int(row.talk_seconds),
        outcomes=[call_pb2.CallOutcomeCount(outcome=code, count=count) for code, count in outcomes],
    )


def rules_to_proto(rules: CallRules, version: int) -> call_pb2.CallRules:
    """What may come of calls, and which telephones are whose."""
    return call_pb2.CallRules(
        name=RULES,
        outcomes=[call_pb2.CallOutcome(**vars(each)) for each in rules.outcomes],
        extensions=[
            call_pb2.CallExtension(extension=extension, user=make_name("users", user_id))
            for extension, user_id in rules.extensions
        ],
        etag=etag(version),
    )


def rule_changes(rules: call_pb2.CallRules, paths: Set[str]) -> dict[str, Any]:
    """The rules at some paths, as the use case takes them. Raises Invalid."""
    values: dict[str, Any] = {}
    if "outcomes" in paths:
        values["outcomes"] = tuple(Outcome(each.code, each.display_name, each.disabled) for each in rules.outcomes)
    if "extensions" in paths:
        values["extensions"] = tuple(
            (each.extension, parse_name("users", each.user, field=f"extensions[{at}].user"))
            for at, each in enumerate(rules.extensions)
        )
    return values


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)
