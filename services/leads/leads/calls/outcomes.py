"""Enter what came of a call, and with whom it was."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, Invalid
from chassis.names import make_name

from leads.calls.events import LONGEST_CALL
from leads.calls.facts import announce_end, is_connected, snapshot
from leads.calls.queries import get_call
from leads.calls.rules import RULES, CallRules
from leads.company_rules import read_rules
from leads.drafts import FollowUpDraft
from leads.model import Call, CallDirection, CallState, FollowUpMethod
from leads.reachable import Customers
from leads.subjects import Subject, require
from leads.usecases.log_follow_up import log_follow_up

PERMISSION = "call.create"
MAX_NOTE = 2_000


@dataclass(frozen=True)
class Report:
    """What was said and agreed."""

    content: str
    contact_id: UUID | None = None
    next_contact_time: datetime | None = None


@dataclass(frozen=True)
class OutcomeDraft:
    """What came of a call."""

    outcome: str
    note: str = ""
    duration_seconds: int = 0
    report: Report | None = None


def set_outcome(session: ServiceSession, call_id: UUID, draft: OutcomeDraft, customers: Customers) -> Call:
    """Enter what came of a call of the caller, or correct it; with a report the call becomes a follow-up.

    A duration is taken only of a call that no telephone system tells of. Raises Invalid UNKNOWN_CALL_OUTCOME, TOO_LONG
    and OUT_OF_RANGE, NotFound, Denied NOT_YOURS, and Conflict CALL_UNASSIGNED or ALREADY_REPORTED for a report.
    """
    rules, _ = read_rules(session, RULES, CallRules)
    if not rules.offers(draft.outcome):
        raise Invalid("UNKNOWN_CALL_OUTCOME", "name one of the company's outcomes that is offered", field="outcome")
    if len(draft.note) > MAX_NOTE:
        raise Invalid("TOO_LONG", f"at most {MAX_NOTE:,} characters fit", field="note")
    if not 0 <= draft.duration_seconds <= LONGEST_CALL:
        raise Invalid("OUT_OF_RANGE", f"it takes up to {LONGEST_CALL:,} seconds", field="duration_seconds")
    call = _own_call(session, call_id)
    before = snapshot(call)
    call.outcome, call.note, call.outcome_time = draft.outcome, draft.note.strip(), session.now
    if call.provider_call_id is None:
        _end_by_hand(session, call, draft.duration_seconds)
    if draft.report is not None:
        _report(session, call, draft.report, customers)
    call.version += 1
    session.flush()
    audit.record(session, "call.set_outcome", call.name, before, snapshot(call))
    announce_end(session, call)
    return call


def assign_call(session: ServiceSession, call_id: UUID, subject: Subject, customers: Customers) -> Call:
    """Say with whom a call was that is with nobody yet. Whoever sees it may: it shows them the number alone.

    Raises NotFound, Denied NOT_YOURS for a subject that they may not call, and Conflict CALL_ASSIGNED.
    """
    call = get_call(session, call_id, lock=True)
    if call.subject:
        raise Conflict("CALL_ASSIGNED", "it is known with whom this call was", subject=call.subject)
    require(session, subject, PERMISSION, customers)
    before = snapshot(call)
    call.lead_id, call.customer_id = subject.columns["lead_id"], subject.columns["customer_id"]
    call.candidates = []
    call.version += 1
    session.flush()
    audit.record(session, "call.assign", call.name, before, snapshot(call))
    announce_end(session, call)
    return call


def _own_call(session: ServiceSession, call_id: UUID) -> Call:
    call = get_call(session, call_id, lock=True)
    if call.assignee_id != session.caller.user_id:
        owner = make_name("users", call.assignee_id)
        raise Denied("NOT_YOURS", "this call is somebody else's", permission=PERMISSION, owner=owner)
    return call


def _end_by_hand(session: ServiceSession, call: Call, duration_seconds: int) -> None:
    call.duration_seconds = duration_seconds
    call.state = CallState.ENDED if duration_seconds else CallState.MISSED
    call.end_time = call.end_time or session.now


def _report(session: ServiceSession, call: Call, report: Report, customers: Customers) -> None:
    if call.follow_up_id is not None:
        follow_up = make_name("followUps", call.follow_up_id)
        raise Conflict("ALREADY_REPORTED", "this has been reported on", follow_up=follow_up)
    if not call.subject:
        raise Conflict("CALL_UNASSIGNED", "say first with whom this call was")
    draft = FollowUpDraft(
        customer_id=call.customer_id,
        lead_id=None if call.customer_id is not None else call.lead_id,
        method=FollowUpMethod.CALL,
        content=report.content,
        contact_id=report.contact_id,
        occur_time=call.start_time,
        next_contact_time=report.next_contact_time,
        duration_seconds=call.duration_seconds or None,
        inbound=call.direction == CallDirection.INBOUND and is_connected(call),
    )
    call.follow_up_id = log_follow_up(session, draft, customers).id
