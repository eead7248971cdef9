"""What people do with submissions that did not become leads."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, DomainError, NotFound
from chassis.etags import check_etag
from chassis.rules import apply, refuse
from sqlalchemy import select

from leads.capture.admitting import admit, listed, reject, settle
from leads.capture.judging import Judged, judge, seal_correction
from leads.capture.opting import ConfirmationLinks, ask
from leads.model import CaptureSource, CaptureState, CaptureSubmission
from leads.rules import REASON_RULES

PERMISSION = "capture.correct"
"""What came in belongs to nobody, and may become anybody's: only the scope ALL reaches it."""
OPEN = (CaptureState.REJECTED, CaptureState.EXPIRED, CaptureState.SPAM)
"""The states in which there is something to be done."""


def correct_submission(
    session: ServiceSession, submission_id: UUID, values: Mapping[str, Any], *, etag: str = ""
) -> CaptureSubmission:
    """Correct what a submission says, and tell what is wrong still. Raises Conflict unless it waits for that."""
    submission, source = _lock(session, submission_id, etag)
    seal_correction(session, submission, values)
    submission.corrector = session.caller.subject
    judged = judge(session, submission, source)
    submission.problems = listed(judged.problems)
    submission.version += 1
    session.flush()
    audit.record(session, "capture.correct", submission.name, None, {"fields": sorted(values)})
    return submission


def retry_submission(
    session: ServiceSession, submission_id: UUID, links: ConfirmationLinks, *, etag: str = ""
) -> CaptureSubmission:
    """Judge a submission anew, as what a person sent; opt-in is never skipped. Raises Conflict unless it waits."""
    submission, source = _lock(session, submission_id, etag)
    before = {"state": submission.state}
    _settle(session, judge(session, submission, source), links)
    session.flush()
    audit.record(session, "capture.retry", submission.name, before, {"state": submission.state})
    return submission


def discard_submission(
    session: ServiceSession, submission_id: UUID, reason: str, *, etag: str = ""
) -> CaptureSubmission:
    """Throw a submission away. Raises Conflict unless it waits for something to be done."""
    stored, faults = apply(REASON_RULES, {"reason": reason})
    refuse(faults)
    submission, _ = _lock(session, submission_id, etag)
    before = {"state": submission.state}
    settle(session, submission, CaptureState.DISCARDED)
    session.flush()
    after = {"state": submission.state, "reason": stored["reason"]}
    audit.record(session, "capture.discard", submission.name, before, after)
    return submission


def no_submission() -> DomainError:
    """The refusal of a submission that does not exist."""
    return NotFound("SUBMISSION_NOT_FOUND", "there is no such submission, or you may not see it")


def _settle(session: ServiceSession, judged: Judged, links: ConfirmationLinks) -> None:
    submission = judged.submission
    if judged.problems:
        reject(session, submission, judged.problems)
    elif judged.source.double_opt_in and submission.opt_in_time is None:
        ask(session, judged, links)
    else:
        submission.external_id = judged.stored.get("external_id")
        admit(session, [judged])


def _lock(session: ServiceSession, submission_id: UUID, etag: str) -> tuple[CaptureSubmission, CaptureSource]:
    session.caller.require_everything(PERMISSION)
    wanted = select(CaptureSubmission).where(CaptureSubmission.id == submission_id).with_for_update()
    submission = session.scalars(wanted).first()
    if submission is None:
        raise no_submission()
    check_etag(etag, submission.version)
    if submission.state not in OPEN:
        raise Conflict(
            "SUBMISSION_SETTLED",
            "there is nothing to be done about this submission; read it again",
            state=submission.state,
        )
    return submission, session.get_one(CaptureSource, submission.source_id)
