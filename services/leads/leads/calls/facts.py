"""What is said of a call to others: to the audit log, and to the services that listen."""

from typing import Any

from chassis import outbox
from chassis.db import ServiceSession
from chassis.names import make_name
from chassis.snapshots import filled

from leads.events import CallEnded
from leads.model import Call, CallState

_VALUES = (
    "direction", "phone", "provider", "provider_call_id", "state", "request_time", "start_time", "answer_time",
    "end_time", "duration_seconds", "recording_url", "outcome", "note", "candidates", "failure_reason",
)  # fmt: skip


def snapshot(call: Call) -> dict[str, Any]:
    """What a call holds. What is empty is left out."""
    values = {key: getattr(call, key) for key in _VALUES}
    values |= {
        "subject": call.subject,
        "assignee": make_name("users", call.assignee_id),
        "follow_up": make_name("followUps", call.follow_up_id),
    }
    return filled(values)


def is_connected(call: Call) -> bool:
    """Whether somebody spoke. Agrees with `leads.calls.queries.connected`."""
    return call.answer_time is not None or call.duration_seconds > 0


def announce_end(session: ServiceSession, call: Call) -> None:
    """Tell that a call is over, if it is and it is known with whom it was."""
    if call.state not in (CallState.ENDED, CallState.MISSED) or not call.subject:
        return
    outbox.emit(
        session,
        CallEnded(
            call=call.name,
            version=call.version,
            subject=call.subject,
            assignee=make_name("users", call.assignee_id),
            direction=call.direction,
            connected=is_connected(call),
            duration_seconds=call.duration_seconds,
            end_time=call.end_time or session.now,
        ),
    )
