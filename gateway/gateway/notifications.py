"""Hears the notifications that services raise, and hands each to the listeners of its recipient.

A thread consumes from a queue of its own, which the broker drops with the connection: a notification is for who
listens now. When the broker is lost, the thread connects again.
"""

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from chassis.bus.envelope import open_envelope
from chassis.bus.nodes import BROKER_FAULTS
from chassis.bus.topology import connected, declare_exchange, exchange_name, take_in
from chassis.errors import Exhausted, Unavailable
from crm.common.v1 import notification_pb2
from google.protobuf.json_format import ParseError

logger = logging.getLogger(__name__)

EVENT = "NotificationRaised"
WAITING = 100
"""Notifications that wait for a slow listener; beyond that the oldest are dropped."""
PER_USER = 20
"""Listeners that one user may have at once."""
RECONNECT_SECONDS = 1.0
POLL_SECONDS = 1.0
"""The longest that stopping waits for the broker."""


class Listener:
    """The listeners of this process, and the thread that hears for them."""

    def __init__(self, amqp_url: str, services: Sequence[str]) -> None:
        """`services` are those whose events are heard. Without a URL, listening is refused."""
        self._url = amqp_url
        self._services = services
        self._queues: dict[str, set[asyncio.Queue[notification_pb2.NotificationRaised]]] = defaultdict(set)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.connected = threading.Event()
        """Set while the broker is heard."""

    def start(self) -> None:
        """Begin to hear, from the event loop that listeners live in."""
        if self._url:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
            self._thread.start()

    async def stop(self) -> None:
        """Stop hearing."""
        self._stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5)

    @contextmanager
    def listen(self, user: str) -> Iterator["asyncio.Queue[notification_pb2.NotificationRaised]"]:
        """What is raised for a user from now on. Raises Unavailable without a broker."""
        if not self._url:
            raise Unavailable("NOTIFICATIONS_UNAVAILABLE", "the gateway has no message broker to listen to")
        if len(self._queues[user]) >= PER_USER:
            raise Exhausted("TOO_MANY_LISTENERS", "close some of the user's other connections")
        queue: asyncio.Queue[notification_pb2.NotificationRaised] = asyncio.Queue(WAITING)
        self._queues[user].add(queue)
        try:
            yield queue
        finally:
            self._queues[user].discard(queue)
            if not self._queues[user]:
                del self._queues[user]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._hear()
            except BROKER_FAULTS as fault:
                logger.warning("the message broker is lost", extra={"error": type(fault).__name__})
            except Exception:
                logger.exception("notifications could not be heard")
            self.connected.clear()
            self._stopping.wait(RECONNECT_SECONDS)

    def _hear(self) -> None:
        with connected(self._url) as connection:
            channel = connection.channel()
            queue = channel.queue_declare("", exclusive=True, auto_delete=True, durable=False).queue
            for service in self._services:
                declare_exchange(channel, service)
                channel.queue_bind(queue, exchange_name(service), EVENT)
            channel.basic_consume(queue, no_ack=True, callback=self._received)
            self.connected.set()
            while not self._stopping.is_set():
                take_in(connection, POLL_SECONDS)
                connection.heartbeat_tick()

    def _received(self, message: Any) -> None:
        try:
            notification = open_envelope(message.body).message(notification_pb2.NotificationRaised)
        except (ValueError, ParseError):
            # What one service sends wrong must not cost the users of the others their notifications.
            logger.exception("a notification could not be read")
            return
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._hand_out, notification)

    def _hand_out(self, notification: notification_pb2.NotificationRaised) -> None:
        for queue in self._queues.get(notification.recipient, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(notification)
