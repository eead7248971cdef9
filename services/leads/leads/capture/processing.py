"""Judging what came in, many submissions at once."""

import logging
from collections.abc import Iterable, Sequence
from uuid import UUID

from chassis.bus.faults import is_transient
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid, Unavailable, Violation
from sqlalchemy import select

from leads.capture.admitting import admit, reject, settle
from leads.capture.judging import Judged, judge
from leads.capture.opting import ConfirmationLinks, ask
from leads.model import CaptureSource, CaptureState, CaptureSubmission

log = logging.getLogger(__name__)


def process(session: ServiceSession, ids: Iterable[UUID], links: ConfirmationLinks) -> None:
    """Judge those of the submissions that wait for it, in the order in which they came in."""
    waiting = (
        select(CaptureSubmission)
        .where(CaptureSubmission.id.in_(list(ids)), CaptureSubmission.state == CaptureState.NEW)
        .order_by(CaptureSubmission.id)
        .with_for_update()
    )
    submissions = session.scalars(waiting).all()
    try:
        with session.begin_nested():
            _process(session, submissions, links)
    except Exception as error:
        if is_transient(error):
            raise
        _one_by_one(session, submissions, links)


def _process(session: ServiceSession, submissions: Sequence[CaptureSubmission], links: ConfirmationLinks) -> None:
    sources = sources_of(session, submissions)
    settle_judged(session, [judge(session, one, sources[one.source_id]) for one in submissions], links)


def _one_by_one(session: ServiceSession, submissions: Sequence[CaptureSubmission], links: ConfirmationLinks) -> None:
    """Judge submissions of which one cannot be judged at all. That one waits, with the reason, where people see it:
    as an event that fails it would be set aside, and lie there as new."""
    for one in submissions:
        try:
            with session.begin_nested():
                _process(session, [one], links)
        except Exception as error:
            if is_transient(error):
                raise
            log.error("submission not processed", exc_info=error, extra={"submission": one.name})
            reject(session, one, _problems(error))
            session.flush()


def _problems(error: Exception) -> list[Violation]:
    if isinstance(error, Invalid) and error.violations:
        return list(error.violations)
    if isinstance(error, DomainError):
        return [Violation(error.field, error.reason, error.message)]
    message = "this could not be worked on; try again, and tell your operator if it fails again"
    return [Violation("", "NOT_PROCESSED", f"{message}: {type(error).__name__}")]


def settle_judged(session: ServiceSession, judged: Sequence[Judged], links: ConfirmationLinks) -> None:
    """Do with submissions what comes of judging them."""
    admitted = []
    for one in judged:
        if one.spam:
            settle(session, one.submission, CaptureState.SPAM)
        elif one.problems:
            reject(session, one.submission, one.problems)
        elif one.source.double_opt_in and one.submission.opt_in_time is None:
            _ask(session, one, links)
        else:
            admitted.append(one)
        one.submission.external_id = one.stored.get("external_id") or one.submission.external_id
    if admitted:
        admit(session, admitted)


def _ask(session: ServiceSession, judged: Judged, links: ConfirmationLinks) -> None:
    try:
        ask(session, judged, links)
    except Unavailable as error:
        # It waits where people see it: as an event that fails it would be set aside, and lie there as new.
        reject(session, judged.submission, [Violation("", error.reason, error.message)])


def sources_of(session: ServiceSession, submissions: Iterable[CaptureSubmission]) -> dict[UUID, CaptureSource]:
    """The sources that submissions came in at."""
    ids = {one.source_id for one in submissions}
    return {one.id: one for one in session.scalars(select(CaptureSource).where(CaptureSource.id.in_(ids)))}
