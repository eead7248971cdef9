"""Taking something in: it is kept as it came, and judged later."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.db import ServiceSession
from chassis.encryption import Place
from chassis.errors import Invalid
from chassis.idempotency import parse_request_id
from chassis.names import make_name, new_id
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from leads.capture.reading import CONTENT_TYPES, JSON
from leads.events import LeadSubmitted
from leads.model import CaptureState, CaptureSubmission

MAX_BYTES = 64 * 1024


def check_body(body: bytes, content_type: str) -> str:
    """The media type of what was sent. Raises Invalid for what no capture source takes."""
    media_type = content_type.partition(";")[0].strip().lower() or JSON
    if media_type not in CONTENT_TYPES:
        raise Invalid("UNSUPPORTED_MEDIA_TYPE", f"send {' or '.join(CONTENT_TYPES)}", field="content_type")
    if len(body) > MAX_BYTES:
        raise Invalid("PAYLOAD_TOO_LARGE", f"send at most {MAX_BYTES} bytes", field="body", limit=MAX_BYTES)
    return media_type


def submit(
    session: ServiceSession, source_id: UUID, body: bytes, content_type: str, request_id: str
) -> tuple[UUID, datetime]:
    """Keep what was sent, and have it judged. Returns what to ask for it by, and when it was taken in.

    A retry with the same request id is answered like the first. What is no text is kept as far as it is one.
    """
    submission_id = parse_request_id(request_id) if request_id else new_id()
    row = _row(session, submission_id, source_id, body.decode("utf-8", "replace"), content_type)
    kept = session.execute(
        insert(CaptureSubmission).values(row).on_conflict_do_nothing().returning(CaptureSubmission.id)
    ).first()
    if kept is None:
        known = select(CaptureSubmission.receive_time).where(
            CaptureSubmission.id == submission_id, CaptureSubmission.source_id == source_id
        )
        first = session.scalar(known)
        if first is None:
            raise Invalid("INVALID_REQUEST_ID", "this request_id was used elsewhere; use a new one", field="request_id")
        return submission_id, first
    outbox.emit(session, LeadSubmitted(make_name("captureSubmissions", submission_id)))
    return submission_id, session.now


def submit_items(session: ServiceSession, source_id: UUID, items: list[tuple[str, str]]) -> None:
    """Keep the new items of a feed, each given as its id and its JSON, and have them judged."""
    rows = [{**_row(session, new_id(), source_id, text, JSON), "external_id": key} for key, text in items]
    if rows:
        session.execute(insert(CaptureSubmission), rows)
        outbox.emit_all(session, [LeadSubmitted(make_name("captureSubmissions", row["id"])) for row in rows])


def _row(session: ServiceSession, key: UUID, source_id: UUID, text: str, content_type: str) -> dict[str, Any]:
    return {
        "id": key,
        "source_id": source_id,
        "state": CaptureState.NEW,
        "content_type": content_type,
        "payload": session.data_keys.seal(text, Place("capture_submission", "payload", key)),
        "receive_time": session.now,
        "problems": [],
        "version": 1,
    }
