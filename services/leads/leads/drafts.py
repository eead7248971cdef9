"""Follow-ups as their authors state them, and what must be right of them whoever logs them for whomever."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Violation
from chassis.rules import refuse

from leads.effectiveness import CheckIn
from leads.model import FollowUpMethod

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
MAX_CONTENT = 5_000
MAX_MENTIONS = 20
LONGEST_CALL = 24 * 3_600
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far ahead of ours a client's clock may be. What lies ahead counts as now."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class FollowUpDraft:
    """A follow-up as its author states it."""

    customer_id: UUID | None
    method: str
    content: str
    contact_id: UUID | None = None
    occur_time: datetime | None = None
    next_contact_time: datetime | None = None
    duration_seconds: int | None = None
    inbound: bool = False
    check_in: CheckIn | None = None
    lead_id: UUID | None = None
    """The lead that it is about, instead of a customer."""
    mentions: tuple[UUID, ...] = ()
    """Employees to tell of it."""

    @property
    def subject_id(self) -> UUID:
        """The customer or lead, once it is known that one is named."""
        subject = self.customer_id or self.lead_id
        assert subject is not None
        return subject

    @property
    def text(self) -> str:
        """The content in its stored form."""
        return self.content.replace("\r\n", "\n").strip()


def refuse_faulty(session: ServiceSession, draft: FollowUpDraft) -> None:
    """Raise Invalid, naming every field at fault, for what cannot be right."""
    faults = list(_faults_of_subject(draft))
    if draft.method not in FollowUpMethod.__members__:
        faults.append(Violation("method", "REQUIRED", f"say how: one of {', '.join(FollowUpMethod.__members__)}"))
    if not draft.text:
        faults.append(Violation("content", "REQUIRED", "say what was said and agreed"))
    elif len(draft.text) > MAX_CONTENT:
        faults.append(Violation("content", "TOO_LONG", f"at most {MAX_CONTENT:,} characters fit"))
    elif _CONTROL.search(draft.text):
        faults.append(Violation("content", "INVALID_TEXT", "the text holds control characters"))
    occur_time = draft.occur_time or session.now
    if occur_time > session.now + CLOCK_TOLERANCE:
        faults.append(Violation("occur_time", "TIME_IN_FUTURE", "what has not happened yet cannot be logged"))
    if occur_time < EARLIEST:
        faults.append(Violation("occur_time", "OUT_OF_RANGE", f"what was before {EARLIEST.year} is not logged"))
    if draft.next_contact_time is not None and draft.next_contact_time <= occur_time:
        message = "the next contact comes after this one"
        faults.append(Violation("next_contact_time", "INVALID_NEXT_CONTACT_TIME", message))
    if len(set(draft.mentions)) > MAX_MENTIONS:
        faults.append(Violation("mentions", "TOO_MANY", f"at most {MAX_MENTIONS} people fit"))
    faults += _faults_of_evidence(session, draft)
    refuse(faults)


def _faults_of_subject(draft: FollowUpDraft) -> Iterator[Violation]:
    """What is wrong with whom a follow-up is about."""
    if (draft.customer_id is None) == (draft.lead_id is None):
        yield Violation("customer", "REQUIRED", "name the customer or the lead: one of them")
    if draft.lead_id is not None and draft.contact_id is not None:
        yield Violation("contact", "NOT_FOR_LEADS", "leads have no contacts; name the person in the content")


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
