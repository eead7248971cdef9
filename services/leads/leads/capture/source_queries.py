"""Reads: where leads come in, and what came in there."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import DomainError, NotFound
from chassis.paging import Page, SortKey
from sqlalchemy import select

from leads.capture.correcting import PERMISSION as CORRECT
from leads.capture.correcting import no_submission
from leads.lead_queries import reach
from leads.model import CaptureSource, CaptureSubmission, FeedPoll, Lead

_LISTED = [column for column in CaptureSubmission.__table__.columns if column.key not in ("payload", "correction")]


def _newest(entity: Any, time: Any) -> list[SortKey]:
    return [SortKey(column, descending=True, nullable=False) for column in (time, entity.id)]


def get_source(session: ServiceSession, source_id: UUID) -> CaptureSource:
    """A capture source. Raises NotFound."""
    source = session.get(CaptureSource, source_id)
    if source is None:
        raise no_source()
    return source


def lock_source(session: ServiceSession, source_id: UUID) -> CaptureSource:
    """A capture source, locked for a change. Raises NotFound."""
    source = session.get(CaptureSource, source_id, with_for_update=True)
    if source is None:
        raise no_source()
    return source


def list_sources(session: ServiceSession, *, page_size: int, page_token: str) -> Page[Any]:
    """A page of capture sources, the newest first."""
    size = paging.page_size(page_size)
    keys = _newest(CaptureSource, CaptureSource.create_time)
    return paging.fetch_page(session, select(CaptureSource), keys, size, page_token, "captureSources")


def list_polls(session: ServiceSession, source_id: UUID, *, page_size: int, page_token: str) -> Page[Any]:
    """A page of the times at which a feed was read. Raises NotFound if there is no such source."""
    get_source(session, source_id)
    statement = select(FeedPoll).where(FeedPoll.source_id == source_id)
    mark = paging.fingerprint("feedPolls", str(source_id))
    size = paging.page_size(page_size)
    return paging.fetch_page(session, statement, _newest(FeedPoll, FeedPoll.time), size, page_token, mark)


def get_submission(session: ServiceSession, submission_id: UUID) -> CaptureSubmission:
    """A submission with what it says. Raises Denied SCOPE_TOO_NARROW, NotFound."""
    session.caller.require_everything(CORRECT)
    submission = session.get(CaptureSubmission, submission_id)
    if submission is None:
        raise no_submission()
    return submission


def list_submissions(
    session: ServiceSession,
    *,
    source_id: UUID | None,
    states: Sequence[str],
    lead_id: UUID | None,
    page_size: int,
    page_token: str,
) -> Page[Any]:
    """A page of submissions as rows, the newest first, without what they say. Those of a lead only if the caller reads
    it."""
    statement = select(*_LISTED)
    if source_id is not None:
        statement = statement.where(CaptureSubmission.source_id == source_id)
    if states:
        statement = statement.where(CaptureSubmission.state.in_(states))
    if lead_id is not None:
        seen = select(Lead.id).where(Lead.id == lead_id, reach(session, "lead.read"))
        statement = statement.where(CaptureSubmission.lead_id.in_(seen))
    mark = paging.fingerprint("captureSubmissions", str(source_id), " ".join(states), str(lead_id))
    keys, size = _newest(CaptureSubmission, CaptureSubmission.receive_time), paging.page_size(page_size)
    return paging.fetch_page(session, statement, keys, size, page_token, mark)


def no_source() -> DomainError:
    """The refusal of a capture source that does not exist."""
    return NotFound("CAPTURE_SOURCE_NOT_FOUND", "there is no such capture source, or it is closed")
