"""From rows to messages and from messages to what the use cases take. Pure."""

from datetime import UTC, datetime
from typing import Any

from chassis.names import make_name, parse_name, parse_optional_name
from crm.leads.v1 import follow_up_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from leads.usecases.log_follow_up import FollowUpDraft

_METHODS = {name.removeprefix("FOLLOW_UP_METHOD_"): number for name, number in follow_up_pb2.FollowUpMethod.items()}
_NAMES = {number: name for name, number in _METHODS.items()}


def follow_up_to_proto(row: Any) -> follow_up_pb2.FollowUp:
    """A follow-up, from an entity or a row of its columns."""
    return follow_up_pb2.FollowUp(
        name=f"followUps/{row.id}",
        customer=f"customers/{row.customer_id}",
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
    )


def draft_from_proto(follow_up: follow_up_pb2.FollowUp) -> FollowUpDraft:
    """What the author of a follow-up states."""
    return FollowUpDraft(
        customer_id=parse_name("customers", follow_up.customer, field="customer"),
        method=_NAMES.get(follow_up.method, str(follow_up.method)),
        content=follow_up.content,
        contact_id=parse_optional_name("contacts", follow_up.contact, field="contact"),
        occur_time=_time(follow_up.occur_time) if follow_up.HasField("occur_time") else None,
        next_contact_time=_time(follow_up.next_contact_time) if follow_up.HasField("next_contact_time") else None,
    )


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC)
