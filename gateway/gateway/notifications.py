"""Hears the notifications that services raise, and hands each to the listeners of its recipient.

A thread consumes from a queue of its own, which the broker drops with the connection: a notification is for who
listens now. When the broker is lost, the thread connects again.
"""

import asyncio
import importlib
import logging
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from chassis.errors import Exhausted, Unavailable
from crm.common.v1 import notification_pb2
from google.protobuf.json_format import ParseDict, ParseError
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

# It has no types that say anything.
kombu: Any = importlib.import_module("kombu")

EVENT = "NotificationRaised"
WAITING = 100
"""Notifications that wait for a slow listener; beyond that the oldest are dropped."""
PER_USER = 20
"""Listeners that one user may have at once."""
RECONNECT_SECONDS = 1.0


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
            except (OSError, OperationalError) as error:
                logger.warning("the message broker is lost", extra={"error": type(error).__name__})
            except Exception:
                logger.exception("notifications could not be heard")
            self.connected.clear()
            self._stopping.wait(RECONNECT_SECONDS)

    def _hear(self) -> None:
        with kombu.Connection(self._url, connect_timeout=5, heartbeat=10) as connection:
            channel = connection.channel()
            queue = kombu.Queue("", exclusive=True, auto_delete=True, durable=False, channel=channel)
            queue.declare()
            for service in self._services:
                exchange = kombu.Exchange(f"{service}.events", type="topic", durable=True, channel=channel)
                exchange.declare()
                queue.bind_to(exchange=exchange, routing_key=EVENT)
            consumer = kombu.Consumer(channel, [queue], no_ack=True, on_message=self._received, auto_declare=False)
            with consumer:
                self.connected.set()
                self._drain(connection)

    def _drain(self, connection: Any) -> None:
        while not self._stopping.is_set():
            connection.heartbeat_check()
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                continue

    def _received(self, message: Any) -> None:
        try:
            notification = ParseDict(
                orjson.loads(message.body)["data"],
                notification_pb2.NotificationRaised(),
                ignore_unknown_fields=True,
            )
        except (ParseError, KeyError, TypeError, ValueError):
            logger.exception("a notification could not be read")
            return
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._hand_out, notification)

    def _hand_out(self, notification: notification_pb2.NotificationRaised) -> None:
        for queue in self._queues.get(notification.recipient, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(notification)
