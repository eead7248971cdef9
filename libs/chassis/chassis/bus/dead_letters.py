"""Events that a handler could not handle, set aside in a queue of their own until somebody looks at them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from amqp import Connection, Message
from amqp.exceptions import NotFound as NoSuchQueue

from chassis.bus.envelope import CONTENT_TYPE, Received, open_envelope
from chassis.bus.nodes import BROKER_FAULTS
from chassis.bus.topology import Publisher, connected, dead_letter_queue
from chassis.errors import NotFound, Unavailable

_ERROR_CHARACTERS = 500


@dataclass(frozen=True)
class DeadLetter:
    """An event that was set aside."""

    queue: str
    """The queue of the handler that failed."""
    event_id: UUID | None
    """None for a message that is no event at all."""
    type: str
    subject: str
    trace_id: str
    attempts: int
    error: str
    """What the last attempt raised."""
    time: datetime
    """When it was set aside."""
    body: str
    """The envelope as it came. Holds business data."""


def set_aside(connection: Connection, queue: str, body: bytes | str, *, attempts: int, error: Exception) -> None:
    """Put an event among the dead letters of a queue. Returns when the broker has it."""
    headers = {
        "x-queue": queue,
        "x-attempts": attempts,
        "x-error": f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS],
        "x-time": int(time.time()),
    }
    publisher = Publisher(connection)
    try:
        publisher.publish([("", dead_letter_queue(queue), _message(body, headers))])
    finally:
        publisher.close()


def list(amqp_url: str, queues: Sequence[str]) -> Sequence[DeadLetter]:  # noqa: A001 - read as dead_letters.list
    """The dead letters of these handlers' queues, oldest first in each. Raises Unavailable if the broker is away."""
    with _broker(amqp_url) as connection, _fetching(connection) as channel:
        return [letter for queue in queues for letter, _, _ in _fetched(channel, queue)]


def show(amqp_url: str, queues: Sequence[str], event_id: UUID) -> DeadLetter:
    """One dead letter. Raises NotFound if no handler has set that event aside, Unavailable if the broker is away."""
    for letter in list(amqp_url, queues):
        if letter.event_id == event_id:
            return letter
    raise _unknown(event_id)


def replay(amqp_url: str, queues: Sequence[str], event_id: UUID | None = None) -> int:
    """Give dead letters back to their own handlers: those of one event, or all. Returns how many.

    They go to the end of the handler's queue, not to other handlers, and keep their ids: what has taken effect
    already does not do so again, and a replay that is broken off may be repeated. Raises NotFound if no handler
    has set that event aside, Unavailable if the broker is away.
    """
    with _broker(amqp_url) as connection:
        count = sum(
            _replay(connection, queue, lambda letter: event_id is None or letter.event_id == event_id)
            for queue in queues
        )
    if event_id is not None and not count:
        raise _unknown(event_id)
    return count


def rewrite(
    amqp_url: str, queues: Sequence[str], change: Callable[[Received], Received], text: Callable[[str], str]
) -> int:
    """Change the dead letters of these handlers' queues where they are: their events, and what is said of the last
    attempt. Returns how many are different now. Raises Unavailable if the broker is away."""
    with _broker(amqp_url) as connection:
        return sum(_rewrite(connection, queue, change, text) for queue in queues)


def _rewrite(
    connection: Connection, queue: str, change: Callable[[Received], Received], text: Callable[[str], str]
) -> int:
    publisher, count = Publisher(connection), 0
    with _fetching(connection) as channel:
        for letter, tag, headers in _fetched(channel, queue):
            body, error = _changed(letter.body, change), text(letter.error)
            if (body, error) != (letter.body, letter.error):
                publisher.publish([("", dead_letter_queue(queue), _message(body, {**headers, "x-error": error}))])
                channel.basic_ack(tag)
                count += 1
    publisher.close()
    return count


def _changed(body: str, change: Callable[[Received], Received]) -> str:
    try:
        event = open_envelope(body)
    except ValueError:
        return body  # no event: nothing that a service has written
    changed = change(event)
    return body if changed == event else orjson.dumps(orjson.loads(body) | {"data": changed.data}).decode()


def _replay(connection: Connection, queue: str, wanted: Callable[[DeadLetter], bool]) -> int:
    publisher, count = Publisher(connection), 0
    with _fetching(connection) as channel:
        for letter, tag, _ in _fetched(channel, queue):
            if letter.event_id is not None and wanted(letter):
                channel.queue_declare(queue, passive=True)  # a queue that is gone would swallow the event
                publisher.publish([("", queue, _message(letter.body, {}))])
                channel.basic_ack(tag)
                count += 1
    publisher.close()
    return count


@contextmanager
def _fetching(connection: Connection) -> Iterator[Any]:
    """A channel to fetch dead letters on. Afterwards those that were not acknowledged are where they were."""
    channel = connection.channel()
    yield channel
    # The broker would return them by itself, but only some time after the channel is closed: until then they would
    # seem to be gone.
    channel.basic_recover(requeue=True)
    channel.close()


def _fetched(channel: Any, queue: str) -> Iterator[tuple[DeadLetter, int, dict[str, Any]]]:
    """Fetch the dead letters that a queue has now, with their delivery tags and headers."""
    try:
        message = channel.basic_get(dead_letter_queue(queue))
    except NoSuchQueue:
        return  # its handler has never run
    # How many follow is told by the first of them: a count that is asked for may be older than what was just returned.
    remaining = message.delivery_info["message_count"] if message is not None else 0
    while message is not None:
        yield _letter(queue, message), message.delivery_tag, dict(message.headers or {})
        message = channel.basic_get(dead_letter_queue(queue)) if remaining else None
        remaining -= 1


def _letter(queue: str, message: Message) -> DeadLetter:
    headers = message.headers or {}
    try:
        event = open_envelope(message.body)
    except ValueError:
        event = None
    return DeadLetter(
        queue=queue,
        event_id=event.id if event else None,
        type=event.type if event else "",
        subject=event.subject if event else "",
        trace_id=event.trace_id if event else "",
        attempts=int(headers.get("x-attempts", 0)),
        error=str(headers.get("x-error", "")),
        time=datetime.fromtimestamp(headers.get("x-time", 0), UTC),
        body=message.body.decode() if isinstance(message.body, bytes) else message.body,
    )


def _message(body: bytes | str, headers: dict[str, object]) -> Message:
    return Message(
        body, content_type=CONTENT_TYPE, content_encoding="utf-8", delivery_mode=2, application_headers=headers
    )


def _unknown(event_id: UUID) -> NotFound:
    return NotFound("DEAD_LETTER_NOT_FOUND", f"no handler here has set aside the event {event_id}", event=event_id)


@contextmanager
def _broker(amqp_url: str) -> Iterator[Connection]:
    try:
        with connected(amqp_url) as connection:
            yield connection
    except BROKER_FAULTS as fault:
        raise Unavailable(
            "BROKER_UNAVAILABLE", f"the message broker does not answer: {type(fault).__name__}"
        ) from fault
