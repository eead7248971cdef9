"""Exchanges and queues: what they are called, how they are declared, and connections to the broker.

A service publishes to the durable topic exchange `<service>.events`, with the short name of the event as routing
key. What it asks of whichever service can answer is passed on to the exchange `suite.events`. Each handler has a
quorum queue of its own, with a name that does not depend on any code, and beside it `<queue>.dead` for what it could
not handle.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

from amqp import Connection, Message
from amqp.exceptions import AMQPError

from chassis.bus.handlers import SUITE, Subscription, restating_queue
from chassis.bus.nodes import BROKER_FAULTS, connect

_DELIVERY_LIMIT = 1_000_000
"""How often the broker delivers an event again before it drops it. The chassis counts attempts itself, and a
restart of a process is no attempt, so that the default of newer brokers (20) would lose events."""

_FOR_ALL = "StateRequested"
"""What is published for any service to hear, whoever publishes it."""

log = logging.getLogger(__name__)


def exchange_name(service: str) -> str:
    """The exchange that a service publishes its events to."""
    return f"{service}.events"


def dead_letter_queue(queue: str) -> str:
    """The queue for what the handler of a queue could not handle."""
    return f"{queue}.dead"


@contextmanager
def connected(amqp_url: str) -> Iterator[Connection]:
    """A connection to one of the broker's nodes. Raises one of BROKER_FAULTS if there is none."""
    connection = connect(amqp_url)
    try:
        yield connection
    except BaseException:
        connection.collect()  # not close(), which waits for an answer of a broker that may be away
        raise
    connection.close()


def take_in(connection: Connection, seconds: float) -> None:
    """Process what the broker has sent, waiting at most `seconds` for the first frame."""
    try:
        connection.drain_events(timeout=max(seconds, 0.0005))
        while True:  # ends: an unconfirmed publisher gets no more confirms, a consumer no more than its prefetch
            connection.drain_events(timeout=0.0005)
    except TimeoutError:
        return


def declare_exchange(channel: Any, service: str) -> None:
    """Make sure that a service's exchange exists, and that what it asks of the whole suite reaches whoever listens."""
    channel.exchange_declare(exchange_name(service), "topic", durable=True, auto_delete=False)
    if service != SUITE:
        declare_exchange(channel, SUITE)
        channel.exchange_bind(exchange_name(SUITE), exchange_name(service), _FOR_ALL)


def declare_queues(channel: Any, subscription: Subscription) -> None:
    """Make sure that a handler's queues exist and get its events."""
    declare_exchange(channel, subscription.source)
    _declare_queue(channel, subscription.queue, {"x-single-active-consumer": True})
    _declare_queue(channel, dead_letter_queue(subscription.queue), {})
    for event in subscription.events:
        channel.queue_bind(subscription.queue, exchange_name(subscription.source), event)
    if subscription.keeps_state:
        # The source may not have run yet, and what it is asked for before its queue is there would reach nobody.
        _declare_request_queue(channel, restating_queue(subscription.source))


def declare_all(amqp_url: str, subscriptions: Sequence[Subscription]) -> None:
    """Make sure that the queues of all these handlers exist. Events published before that do not reach them.

    Raises one of BROKER_FAULTS if the broker is away.
    """
    with connected(amqp_url) as connection:
        channel = connection.channel()
        for subscription in subscriptions:
            declare_queues(channel, subscription)


def declare_all_patiently(amqp_url: str, subscriptions: Sequence[Subscription], stopping: Event) -> bool:
    """Like `declare_all`, and wait for a broker that is away. Returns False if told to stop meanwhile."""
    while not stopping.is_set():
        try:
            declare_all(amqp_url, subscriptions)
        except BROKER_FAULTS as fault:
            log.warning("waiting for the broker", extra={"error": type(fault).__name__})
            stopping.wait(0.5)
        else:
            return True
    return False


class PublishRefused(AMQPError):  # type: ignore[misc]
    """The broker could not take a message. Publish it again."""


class Publisher:
    """Publishes with confirms on a channel of its own."""

    def __init__(self, connection: Connection, *, patience: float = 10) -> None:
        """`patience` is how long to wait for the broker to confirm, in seconds."""
        self._connection = connection
        self._patience = patience
        self._channel = connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._confirmed)
        self._channel.events["basic_nack"].add(self._refused)
        self._last_tag = 0
        self._unconfirmed: set[int] = set()
        self._refusals = 0

    def publish(self, messages: Sequence[tuple[str, str, Message]]) -> None:
        """Publish messages, given as exchange, routing key and message, and return when the broker has them all.

        They are in their queues in the order given. Raises one of BROKER_FAULTS if the broker refuses one, does
        not answer or goes away: then any of them may be in or not.
        """
        self._refusals = 0
        for exchange, routing_key, message in messages:
            self._last_tag += 1
            self._unconfirmed.add(self._last_tag)
            self._channel.basic_publish(message, exchange=exchange, routing_key=routing_key)
        while self._unconfirmed:
            self._connection.drain_events(timeout=self._patience)
        if self._refusals:
            raise PublishRefused(f"{self._refusals} of {len(messages)} messages")

    def close(self) -> None:
        """Give up the channel."""
        self._channel.close()

    def _confirmed(self, tag: int, multiple: bool) -> None:
        if multiple:
            self._unconfirmed = {waiting for waiting in self._unconfirmed if waiting > tag}
        else:
            self._unconfirmed.discard(tag)

    def _refused(self, tag: int, multiple: bool) -> None:
        before = len(self._unconfirmed)
        self._confirmed(tag, multiple)
        self._refusals += before - len(self._unconfirmed)


def _declare_request_queue(channel: Any, queue: str) -> None:
    declare_exchange(channel, SUITE)
    _declare_queue(channel, queue, {"x-single-active-consumer": True})
    channel.queue_bind(queue, exchange_name(SUITE), _FOR_ALL)


def _declare_queue(channel: Any, queue: str, arguments: dict[str, Any]) -> None:
    channel.queue_declare(
        queue,
        durable=True,
        auto_delete=False,
        arguments={"x-queue-type": "quorum", "x-delivery-limit": _DELIVERY_LIMIT, **arguments},
    )
