"""Log a follow-up on a customer."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound, Violation
from chassis.names import make_name, new_id
from sqlalchemy import exists, select, update

from leads.contact_cap import refuse_beyond_cap, theatre_of
from leads.effectiveness import CheckIn, Verdict
from leads.events import FollowUpLogged
from leads.judging import judge_follow_up
from leads.model import FollowUp, FollowUpMethod, KnownCustomer, KnownUser
from leads.queries import REACHABLE

MAX_CONTENT = 5_000
SUMMARY = 200
LONGEST_CALL = 24 * 3_600
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead of ours a client's clock may be. What lies ahead counts as now."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Customers(Protocol):
    """Who knows the customers that are not known here yet."""

    def owner_of(self, customer_id: UUID) -> UUID | None:
        """Who looks after a customer. Raises NotFound if the caller may not see it."""
        ...


@dataclass(frozen=True)
class FollowUpDraft:
    """A follow-up as its author states it."""

    customer_id: UUID
    method: str
    content: str
    contact_id: UUID | None = None
    occur_time: datetime | None = None
    next_contact_time: datetime | None = None
    duration_seconds: int | None = None
    inbound: bool = False
    check_in: CheckIn | None = None


def log_follow_up(session: ServiceSession, draft: FollowUpDraft, customers: Customers) -> FollowUp:
    """Log a follow-up and announce it. Raises NotFound if the caller cannot see the customer, Denied
    NOT_YOURS if they may see it and no more, and Exhausted CONTACT_CAP_REACHED."""
    content = _judge(session, draft)
    _require_customer(session, draft.customer_id, customers)
    occur_time = min(draft.occur_time or session.now, session.now)
    follow_up = FollowUp(
        id=new_id(),
        customer_id=draft.customer_id,
        method=draft.method,
        content=content,
        contact_id=draft.contact_id,
        occur_time=occur_time,
        next_contact_time=draft.next_contact_time,
        author=session.caller.subject,
        theatre=theatre_of(session, session.caller),
        # What was due before it was logged is history brought in late, and nobody waits for it.
        reminder_open=draft.next_contact_time is not None and draft.next_contact_time > session.now,
        remind_time=None,
        duration_seconds=draft.duration_seconds,
        inbound=draft.inbound,
        check_in=draft.check_in.to_json() if draft.check_in is not None else None,
        create_time=session.now,
    )
    refuse_beyond_cap(session, follow_up)
    judgement = judge_follow_up(session, follow_up)
    follow_up.verdict, follow_up.verdict_reasons = judgement.verdict, list(judgement.reasons)
    _close_reminders(session, follow_up)
    session.add(follow_up)
    session.flush()
    audit.record(session, "follow_up.log", follow_up.name, None, _snapshot(follow_up))
    outbox.emit(session, _logged(follow_up))
    return follow_up


def _logged(follow_up: FollowUp) -> FollowUpLogged:
    return FollowUpLogged(
        follow_up=follow_up.name,
        customer=make_name("customers", follow_up.customer_id),
        method=follow_up.method,
        summary=follow_up.content[:SUMMARY],
        author=follow_up.author,
        occur_time=follow_up.occur_time,
        effective=follow_up.verdict == Verdict.EFFECTIVE,
        verdict_reasons=list(follow_up.verdict_reasons),
    )


def _judge(session: ServiceSession, draft: FollowUpDraft) -> str:
    """The content in its stored form. Raises Invalid, naming every field at fault."""
    content = draft.content.replace("\r\n", "\n").strip()
    faults: list[Violation] = []
    if draft.method not in FollowUpMethod.__members__:
        faults.append(Violation("method", "REQUIRED", f"say how: one of {', '.join(FollowUpMethod.__members__)}"))
    if not content:
        faults.append(Violation("content", "REQUIRED", "say what was said and agreed"))
    elif len(content) > MAX_CONTENT:
        faults.append(Violation("content", "TOO_LONG", f"at most {MAX_CONTENT:,} characters fit"))
    elif _CONTROL.search(content):
        faults.append(Violation("content", "INVALID_TEXT", "the text holds control characters"))
    occur_time = draft.occur_time or session.now
    if occur_time > session.now + CLOCK_TOLERANCE:
        faults.append(Violation("occur_time", "TIME_IN_FUTURE", "what has not happened yet cannot be logged"))
    if draft.next_contact_time is not None and draft.next_contact_time <= occur_time:
        message = "the next contact comes after this one"
        faults.append(Violation("next_contact_time", "INVALID_NEXT_CONTACT_TIME", message))
    faults += _faults_of_evidence(session, draft)
    if faults:
        reason = faults[0].reason if len(faults) == 1 else "INVALID_FIELDS"
        field = faults[0].field if len(faults) == 1 else ""
        raise Invalid(reason, "; ".join(fault.message for fault in faults), field=field, violations=faults)
    return content


def _faults_of_evidence(session: ServiceSession, draft: FollowUpDraft) -> list[Violation]:
    """What is wrong with what is to show that a follow-up took place."""
    faults: list[Violation] = []
    if draft.duration_seconds is not None and not 0 < draft.duration_seconds <= LONGEST_CALL:
        message = f"it takes from 1 to {LONGEST_CALL:,} seconds"
        faults.append(Violation("duration_seconds", "OUT_OF_RANGE", message))
    check_in = draft.check_in
    if check_in is None:
        return faults
    if not (abs(check_in.latitude) <= 90 and abs(check_in.longitude) <= 180):
        faults.append(Violation("check_in", "INVALID_POSITION", "latitudes go to 90 degrees, longitudes to 180"))
    if not 0 < check_in.accuracy_metres < float("inf"):
        faults.append(Violation("check_in.accuracy_metres", "OUT_OF_RANGE", "say how exact the position is, in metres"))
    if check_in.time > session.now + CLOCK_TOLERANCE:
        faults.append(Violation("check_in.time", "TIME_IN_FUTURE", "what has not happened yet cannot be logged"))
    return faults


def _require_customer(session: ServiceSession, customer_id: UUID, customers: Customers) -> None:
    missing = NotFound("CUSTOMER_NOT_FOUND", "there is no such customer, or you may not see it")
    known = session.get(KnownCustomer, customer_id)
    if known is not None:
        place = customer_id, known.owner_id, known.owner_department_path
        if known.deleted or not REACHABLE.reaches(session, "customer.read", *place):
            raise missing
    else:
        # Created a moment ago, and its event still on its way: its own service knows, and whether it can be read.
        owner_id = customers.owner_of(customer_id)
        place = customer_id, owner_id, _path_of(session, owner_id)
    if not REACHABLE.reaches(session, "follow_up.create", *place):
        raise REACHABLE.refusal(session, "follow_up.create", "customer.read", place, missing)


def _path_of(session: ServiceSession, user_id: UUID | None) -> str | None:
    if user_id is not None and user_id == session.caller.user_id:
        return session.caller.department_path or None
    user = session.get(KnownUser, user_id) if user_id else None
    return user.department_path if user else None


def _close_reminders(session: ServiceSession, follow_up: FollowUp) -> None:
    """A later follow-up with the customer makes a reminder of an earlier one pointless, in either order of logging."""
    same = FollowUp.customer_id == follow_up.customer_id
    session.execute(
        update(FollowUp)
        .where(same, FollowUp.reminder_open, FollowUp.occur_time < follow_up.occur_time)
        .values(reminder_open=False)
        .execution_options(synchronize_session=False)
    )
    if follow_up.reminder_open:
        later = exists().where(same, FollowUp.occur_time > follow_up.occur_time)
        follow_up.reminder_open = not session.scalar(select(later))


def _snapshot(follow_up: FollowUp) -> dict[str, object]:
    values = {
        "customer": make_name("customers", follow_up.customer_id),
        "method": follow_up.method,
        "content": follow_up.content,
        "contact": make_name("contacts", follow_up.contact_id),
        "occur_time": follow_up.occur_time.isoformat(),
        "next_contact_time": follow_up.next_contact_time.isoformat() if follow_up.next_contact_time else "",
        "duration_seconds": follow_up.duration_seconds,
        "inbound": follow_up.inbound,
        "check_in": follow_up.check_in,
        "verdict": follow_up.verdict,
        "verdict_reasons": follow_up.verdict_reasons,
    }
    return {key: value for key, value in values.items() if value}
