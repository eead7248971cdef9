"""Reading the feeds that are due. Each is read by a job, so that a slow one holds up nobody; what is new goes the way
of all submissions."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict, DomainError, Invalid, Unavailable
from chassis.jobs import JobKind, JobRun, create_job
from chassis.names import new_id
from chassis.timers import has_rows
from sqlalchemy import select

from leads.automation.webhooks import WebhookPolicy
from leads.capture.feeds import READERS, FeedAnswer, FeedSettings, fetch
from leads.capture.reading import TakenField, values_at
from leads.capture.source_queries import lock_source
from leads.capture.submitting import submit_items
from leads.model import CaptureKind, CaptureSource, CaptureSubmission, FeedPoll

JOBS = "feedPolls"
LONGEST_PAUSE = timedelta(hours=6)
_AT_ONCE = 100
_MOST_DOUBLINGS = 10


def queue_due_polls(session: ServiceSession, due: datetime) -> bool:
    """Queue a job for each feed that is due. Returns whether some are left: more than are queued at once, or such as
    others hold."""
    column = CaptureSource.next_poll_time
    ready = select(CaptureSource).where(column <= session.now).order_by(column)
    for source in session.scalars(ready.limit(_AT_ONCE).with_for_update(skip_locked=True)).all():
        _queue(session, source)
    return has_rows(session, ready)


def poll_now(session: ServiceSession, source_id: UUID) -> CaptureSource:
    """Have a feed read now. Raises Conflict NO_FEED for what is none, or is disabled."""
    session.caller.require_everything("capture.configure")
    source = lock_source(session, source_id)
    if source.kind != CaptureKind.FEED or source.disabled:
        raise Conflict("NO_FEED", "this is no feed that is read; enable it first", kind=source.kind)
    _queue(session, source)
    return source


def _queue(session: ServiceSession, source: CaptureSource) -> None:
    create_job(session, JOBS, {"source": source.name})
    source.next_poll_time = session.now + _settings(source).interval
    session.flush()


def job_kind(policy: WebhookPolicy) -> JobKind:
    """The job that reads a feed."""
    return JobKind(JOBS, lambda run: _poll(run, policy))


def _poll(run: JobRun, policy: WebhookPolicy) -> None:
    """Read one feed, and take in what is new. One that was closed meanwhile is not read."""
    source_id = UUID(run.options["source"].partition("/")[2])
    with run.reading() as session:
        source = session.get_one(CaptureSource, source_id)
        settings, marks = _settings(source), dict(source.feed_marks)
        fields = [TakenField(**taken) for taken in source.lead_fields]
        disabled = source.disabled
    if disabled:
        with run.transaction() as session:
            run.succeed(session, total=0)
        return
    failure: DomainError | None = None
    answer = FeedAnswer((), marks)
    try:
        answer = fetch(settings, marks, policy)
        items = identified(answer.items, fields, settings.format)
    except (Invalid, Unavailable) as error:
        failure, items = error, {}
    with run.transaction() as session:
        new = _note(session, source_id, settings, answer, items, failure)
        run.advance(session, processed=len(items), counters={"created": new}, checkpoint={})
        run.succeed(session, total=len(items))


def identified(items: Sequence[Mapping[str, Any]], fields: Sequence[TakenField], form: str) -> dict[str, str]:
    """The items as JSON by their ids, the oldest first. Raises Invalid NO_ITEM_ID for an item without one.

    Feeds tell the newest first.
    """
    stated = next((taken.path for taken in fields if taken.field == "external_id"), READERS[form].id_path)
    taken = [TakenField("external_id", stated)]
    found: dict[str, str] = {}
    for item in reversed(items):
        key = str(values_at(item, taken).get("external_id", "")).replace("\0", "")[:200]
        if not key:
            raise Invalid("NO_ITEM_ID", f"an item has no id at {stated!r}: take the field external_id from elsewhere")
        found[key] = orjson.dumps(item).decode()
    return found


def _settings(source: CaptureSource) -> FeedSettings:
    return FeedSettings(**(source.feed or {}))


def _note(
    session: ServiceSession,
    source_id: UUID,
    settings: FeedSettings,
    answer: FeedAnswer,
    items: Mapping[str, str],
    failure: DomainError | None,
) -> int:
    """Take in what is new, and note how it went. Returns how many items were new.

    `settings` are those it was read by. If they were changed meanwhile, what was seen says nothing of the new address:
    its marks would let what is new there pass for known.
    """
    source = session.get_one(CaptureSource, source_id, with_for_update=True)
    same = _settings(source) == settings
    seen = select(CaptureSubmission.external_id).where(
        CaptureSubmission.source_id == source_id, CaptureSubmission.external_id.in_(list(items))
    )
    known = set(session.scalars(seen))
    new = [(key, text) for key, text in items.items() if key not in known]
    submit_items(session, source_id, new)
    source.poll_time = session.now
    if failure is None:
        source.feed_marks, source.failure_count = dict(answer.marks) if same else {}, 0
    else:
        source.failure_count += 1
        if same and not source.disabled:
            source.next_poll_time = session.now + _pause(source)
    made = FeedPoll(
        id=new_id(),
        source_id=source_id,
        time=session.now,
        item_count=len(items),
        new_count=len(new),
        reason=failure.reason if failure else "",
        message=failure.message if failure else "",
    )
    session.add(made)
    session.flush()
    result = {"items": len(items), "new": len(new)} | ({"reason": failure.reason} if failure else {})
    audit.record(session, "capture.poll", source.name, None, result)
    return len(new)


def _pause(source: CaptureSource) -> timedelta:
    """How long a feed rests that cannot be read: twice as long each time."""
    interval = _settings(source).interval
    doubled: timedelta = interval * 2 ** min(source.failure_count, _MOST_DOUBLINGS)
    return min(doubled, max(LONGEST_PAUSE, interval))
