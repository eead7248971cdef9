"""From rows to messages and from messages to what the use cases take. Pure."""

from collections.abc import Mapping, Set
from datetime import datetime
from typing import Any

from chassis.etags import etag
from chassis.names import make_name
from crm.leads.v1 import capture_pb2, lead_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from leads.capture.feeds import FeedSettings
from leads.capture.reading import LISTS, TakenField
from leads.capture.source_rules import FIELDS, SOURCE_RULES

_KINDS = {name.removeprefix("CAPTURE_KIND_"): number for name, number in capture_pb2.CaptureKind.items()}
_KIND_NAMES: dict[int, str] = {number: name for name, number in _KINDS.items()}
_STATES = {name.removeprefix("CAPTURE_STATE_"): number for name, number in capture_pb2.CaptureState.items()}
_STATE_NAMES: dict[int, str] = {number: name for name, number in _STATES.items()}
_FORMATS = {name.removeprefix("FEED_FORMAT_"): number for name, number in capture_pb2.FeedFormat.items()}
_FORMAT_NAMES: dict[int, str] = {number: name for name, number in _FORMATS.items() if number} | {0: "SYNDICATION"}

_TEXTS = (
    "display_name", "default_source", "default_channel", "default_medium", "default_campaign", "honeypot",
    "opt_in_subject", "opt_in_text", "creator",
)  # fmt: skip
_PLAIN = ("disabled", "allowed_origins", "calls_per_minute", "calls_per_address_per_minute", "double_opt_in",
          "opt_in_hours")  # fmt: skip
SETTINGS = frozenset(SOURCE_RULES)
CORRECTED = FIELDS
"""The fields that a correction may change."""


def source_to_proto(source: Any) -> capture_pb2.CaptureSource:
    """A capture source, without its secrets."""
    plain: dict[str, Any] = {name: getattr(source, name) or "" for name in _TEXTS}
    plain |= {name: getattr(source, name) for name in _PLAIN}
    message = capture_pb2.CaptureSource(
        name=source.name,
        kind=_KINDS[source.kind],
        lead_fields=[capture_pb2.CaptureField(**taken) for taken in source.lead_fields],
        **plain,
        former_secret_expire_time=source.former_secret_expire_time,
        etag=etag(source.version),
        create_time=source.create_time,
        update_time=source.update_time,
    )
    if source.feed is not None:
        kept = {**source.feed, "format": _FORMATS[source.feed["format"]]}
        message.feed.CopyFrom(capture_pb2.CaptureFeed(**kept, failure_count=source.failure_count))
        _set_time(message.feed.poll_time, source.poll_time)
        _set_time(message.feed.next_poll_time, source.next_poll_time)
    return message


def kind_name(kind: int) -> str:
    """How leads come in, as a source keeps it."""
    return _KIND_NAMES.get(kind, str(kind))


def state_names(states: Any) -> list[str]:
    """States as submissions keep them."""
    return [_STATE_NAMES.get(state, str(state)) for state in states]


def settings_of(source: capture_pb2.CaptureSource, paths: Set[str]) -> dict[str, Any]:
    """The settings at some paths, as the use cases take them."""
    values: dict[str, Any] = {path: getattr(source, path) for path in paths if path not in ("lead_fields", "feed")}
    if "allowed_origins" in values:
        values["allowed_origins"] = list(source.allowed_origins)
    if "lead_fields" in paths:
        values["lead_fields"] = [TakenField(one.field, one.path, one.required) for one in source.lead_fields]
    if "feed" in paths:
        feed = source.feed
        values["feed"] = (
            FeedSettings(feed.url, _FORMAT_NAMES.get(feed.format, ""), feed.items_path, feed.interval_minutes)
            if source.HasField("feed")
            else None
        )
    return values


def stated(source: capture_pb2.CaptureSource) -> frozenset[str]:
    """The settings that are set in a new source."""
    return frozenset(field.name for field, _ in source.ListFields()) & SETTINGS


def submission_to_proto(row: Any) -> capture_pb2.CaptureSubmission:
    """A submission without what it says, from an entity or a row of its columns."""
    return capture_pb2.CaptureSubmission(
        name=make_name("captureSubmissions", row.id),
        source=make_name("captureSources", row.source_id),
        state=_STATES[row.state],
        external_id=row.external_id or "",
        lead=make_name("leads", row.lead_id),
        problems=[capture_pb2.CaptureProblem(**problem) for problem in row.problems],
        receive_time=row.receive_time,
        settle_time=row.settle_time,
        opt_in_time=row.opt_in_time,
        expire_time=row.expire_time,
        corrector=row.corrector or "",
        etag=etag(row.version),
    )


def values_to_proto(values: Mapping[str, Any]) -> lead_pb2.Lead:
    """What a submission says of a lead, raw."""
    return lead_pb2.Lead(**{field: value for field, value in values.items() if field in FIELDS and value})


def values_of(lead: lead_pb2.Lead, paths: Set[str]) -> dict[str, Any]:
    """What a correction says, raw, by field."""
    return {path: list(getattr(lead, path)) if path in LISTS else getattr(lead, path) for path in paths}


def poll_to_proto(row: Any) -> capture_pb2.FeedPoll:
    """A time at which a feed was read."""
    return capture_pb2.FeedPoll(
        time=row.time, item_count=row.item_count, new_count=row.new_count, reason=row.reason, message=row.message
    )


def _set_time(stamp: Timestamp, moment: datetime | None) -> None:
    if moment is not None:
        stamp.FromDatetime(moment)
