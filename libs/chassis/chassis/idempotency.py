"""Retries made safe (AIP-155): a write with a `request_id` takes effect once and is answered the same each time.

The claim is a row in the transaction of the effect, so that it is there if and only if the effect is. A retry
that comes while the first attempt is under way waits for it.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import CursorResult, delete, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import ChassisTables, ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.prepared import Prepared, pipelined
from chassis.told_once import told_once

KEPT = timedelta(days=7)
"""How long a retry is known as one."""

Response = TypeVar("Response", bound=Message)


class IdempotencyClaim(ChassisTables):
    """A request that took effect, and its answer."""

    __tablename__ = "idempotency_claim"

    subject: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    """The full name of the request message, which no two writing methods share."""
    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    response: Mapped[bytes | None]
    create_time: Mapped[datetime] = mapped_column(server_default=text("now()"), index=True)


def once(
    session: ServiceSession,
    request: Message,
    request_id: str,
    response_type: type[Response],
    call: Callable[[], Response],
    *,
    ahead: Callable[[], Callable[[], None]] | None = None,
    secret_fields: Sequence[str] = (),
) -> Response:
    """Answer a request, or repeat the answer it got before.

    `ahead` returns what sends statements that `call` needs the results of (`prepared.Prepared.send`). They share the
    round trip of the claim, and are run also where the request turns out to be a retry, so they must change nothing.

    `secret_fields` are fields of the request or the response, or paths such as `thing.secret`, that
    are not kept in any form: a repeated answer comes without them, and two requests that differ in nothing else
    count as the same. What the contract marks as told once is not kept of any answer.

    Raises Invalid INVALID_REQUEST_ID for what is no UUID, Conflict REQUEST_ID_REUSED if the same id came with
    a different request before.
    """
    send = ahead() if ahead is not None else None
    if not request_id:
        if send is not None:
            with pipelined(session):
                send()
        return call()
    key = _key(session, request, request_id)
    fingerprint = _fingerprint(request, secret_fields)
    if not _claim(session, {**key, "fingerprint": fingerprint}, send):
        return _repeat(session, key, fingerprint, response_type)
    response = call()
    session.flush()
    kept = _without(response, (*secret_fields, *told_once(response.DESCRIPTOR)))
    _ANSWER.write(session, response=kept.SerializeToString(), **key)
    return response


def _claim(session: ServiceSession, claim: dict[str, Any], send: Callable[[], None] | None) -> bool:
    """Whether the request is a new one."""
    if send is None:
        return bool(_CLAIM.write(session, **claim))
    with pipelined(session):
        claimed = _CLAIM.send(session, **claim)
        send()
    return bool(claimed.all())


_CLAIM = Prepared(
    text(
        """
    INSERT INTO idempotency_claim (subject, method, request_id, fingerprint)
    VALUES (:subject, :method, :request_id, :fingerprint) ON CONFLICT DO NOTHING RETURNING request_id
        """
    )
)
_ANSWER = Prepared(
    text(
        """
    UPDATE idempotency_claim SET response = :response
    WHERE subject = :subject AND method = :method AND request_id = :request_id
        """
    )
)


def recall(
    session: ServiceSession,
    request: Message,
    request_id: str,
    response_type: type[Response],
    *,
    secret_fields: Sequence[str] = (),
) -> Response | None:
    """The answer that a request got before, or None if it got none: for writes of several transactions, before the
    first. Raises as `once` does."""
    if not request_id:
        return None
    key = _key(session, request, request_id)
    known = session.scalar(select(IdempotencyClaim.request_id).where(*_matches(key)))
    return _repeat(session, key, _fingerprint(request, secret_fields), response_type) if known is not None else None


def parse_request_id(request_id: str) -> UUID:
    """The id as a UUID. Raises Invalid INVALID_REQUEST_ID."""
    try:
        return UUID(request_id)
    except ValueError:
        raise Invalid("INVALID_REQUEST_ID", "request_id must be a UUID", field="request_id") from None


def purge(session: ServiceSession) -> int:
    """Forget claims older than `KEPT`, by the real time. Returns how many."""
    old = delete(IdempotencyClaim).where(IdempotencyClaim.create_time < func.now() - KEPT)
    return cast(CursorResult[Any], session.execute(old)).rowcount


def _key(session: ServiceSession, request: Message, request_id: str) -> dict[str, Any]:
    return {
        "subject": session.caller.subject,
        "method": request.DESCRIPTOR.full_name,
        "request_id": parse_request_id(request_id),
    }


def _repeat(
    session: ServiceSession, key: dict[str, Any], fingerprint: bytes, response_type: type[Response]
) -> Response:
    before = session.execute(
        select(IdempotencyClaim.fingerprint, IdempotencyClaim.response).where(*_matches(key))
    ).one()
    if before.fingerprint != fingerprint:
        raise Conflict(
            "REQUEST_ID_REUSED",
            "this request_id was used for a different request; use a new one",
            request_id=key["request_id"],
        )
    return response_type.FromString(before.response or b"")


def _matches(key: dict[str, Any]) -> list[Any]:
    return [getattr(IdempotencyClaim, name) == value for name, value in key.items()]


def _fingerprint(request: Message, secret_fields: Sequence[str]) -> bytes:
    return hashlib.sha256(_without(request, secret_fields).SerializeToString(deterministic=True)).digest()


def _without(message: Response, fields: Sequence[str]) -> Response:
    paths = [field.split(".") for field in fields]
    present = [path for path in paths if path[0] in message.DESCRIPTOR.fields_by_name]
    if not present:
        return message
    copy = type(message)()
    copy.CopyFrom(message)
    for path in present:
        _clear(copy, path)
    return copy


def _clear(message: Message, path: Sequence[str]) -> None:
    """Clear what a path leads to, if it leads anywhere in messages of this type."""
    field = message.DESCRIPTOR.fields_by_name.get(path[0])
    if field is None:
        return
    if len(path) == 1:
        message.ClearField(path[0])
    elif field.message_type is not None and not field.is_repeated and message.HasField(path[0]):
        _clear(getattr(message, path[0]), path[1:])
