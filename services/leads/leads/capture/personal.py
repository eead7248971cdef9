"""What came in at capture sources and tells of a person."""

from collections.abc import Iterator, Set
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name
from chassis.personal_data import REDACTED, Finding, Person, Redactor
from sqlalchemy import select

from leads.capture.judging import payload_of
from leads.model import CaptureState, CaptureSubmission

SUBMISSION = "capture_submission"
_PAGE = 500


def find(session: ServiceSession, person: Person, leads: Set[UUID]) -> Iterator[Finding]:
    """What was sent of the person's leads, and what became of none and names one of the person's numbers or addresses.

    The latter is sealed, so that it is opened one by one: little of it lies about, see `leads.capture.keeping`.
    """
    redactor = Redactor(person)
    for submission in _with_content(session):
        own = submission.lead_id in leads
        text = payload_of(session, submission) + _correction(session, submission)
        if own or (submission.lead_id is None and redactor.mentions(text)):
            yield Finding(
                kind=SUBMISSION,
                name=submission.name,
                values={"receive_time": submission.receive_time, "state": submission.state, "payload": text},
                about=frozenset({make_name("leads", submission.lead_id)} if own else ()),
                marks=frozenset(mark for mark in person.marks if Redactor(person.only(mark)).mentions(text)),
            )


def erase(session: ServiceSession, found: Finding) -> None:
    """Take out what was sent. That something came in, and when, stays."""
    submission = session.get(CaptureSubmission, parse_name("captureSubmissions", found.name), with_for_update=True)
    if submission is None:
        return
    submission.payload = submission.correction = None
    submission.external_id = REDACTED if submission.external_id else None
    if submission.lead_id is None:
        submission.state, submission.settle_time, submission.problems = CaptureState.DISCARDED, session.now, []
        submission.token_digest = None
    submission.version += 1
    session.flush()
    audit.record(session, "capture.erase", submission.name, None, {"version": submission.version})


def _with_content(session: ServiceSession) -> Iterator[CaptureSubmission]:
    after: UUID | None = None
    held = select(CaptureSubmission).where(CaptureSubmission.payload.is_not(None)).order_by(CaptureSubmission.id)
    while True:
        page = session.scalars((held if after is None else held.where(CaptureSubmission.id > after)).limit(_PAGE)).all()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _correction(session: ServiceSession, submission: CaptureSubmission) -> str:
    if submission.correction is None:
        return ""
    return session.data_keys.open(submission.correction, submission.place("correction"))
