"""The loop that takes the events of one queue from the broker and has them handled.

Why each event takes effect once, and events of one subject in order:

- The queue has a single active consumer, so one process gets all events, in the order of the queue. Within it one
  loop handles them one after the other (`chassis.bus.lanes` says how a failed one holds back its subject).
- An event is acknowledged after the transaction of its effect, with its claim in the inbox, is committed. What a
  dead process had not acknowledged the broker gives to the next one, in the same order and before anything newer.
  What had taken effect already is then found claimed.
- The loop never cancels its consumer while it holds events, which would let the next process go on with later ones.
  It closes the connection instead, which returns the events first.
- A process that was cut off from the broker but does not know yet may still handle what it holds, beside the next
  one. Both go through the same sequence and each event is claimed once, the later claim waiting for the earlier
  transaction, so neither gets ahead of the other.
"""

import logging
import time

from amqp import Connection, Message

from chassis import metrics
from chassis.bus.dead_letters import set_aside
from chassis.bus.envelope import open_envelope
from chassis.bus.faults import is_transient
from chassis.bus.handlers import Subscription
from chassis.bus.handling import handle, report_failure
from chassis.bus.lanes import Delivery, Lanes
from chassis.bus.nodes import BROKER_FAULTS
from chassis.bus.topology import connected, dead_letter_queue, declare_queues, take_in
from chassis.db import Database
from chassis.stopping import Stopping

PREFETCH = 500
"""How many events a consumer holds at most, those of waiting subjects included."""

BATCH = 50
"""How many events share a transaction at most. Only what has come already is batched; nothing is waited for."""

PAUSES = (0.05, 0.2, 0.5, 1.0)
"""Seconds to wait between attempts while the database or the broker is away."""

_TICK_SECONDS = 1.0
_COUNT_SECONDS = 10.0

log = logging.getLogger(__name__)


class Consumer:
    """Handles the events of one queue until it is stopped. Waits for a broker or a database that is away."""

    def __init__(self, amqp_url: str, database: Database, subscription: Subscription) -> None:
        self.subscription = subscription
        self.is_consuming = False
        self._amqp_url = amqp_url
        self._database = database
        self.stopping = Stopping()

    def stop(self) -> None:
        """Ask `run` to finish what it is handling and return."""
        self.stopping.set()

    def run(self) -> None:
        """Consume until stopped."""
        failures = 0
        while not self.stopping.is_set():
            try:
                with connected(self._amqp_url) as connection:
                    reception = _Reception(connection, self._database, self.subscription)
                    self.is_consuming, failures = True, 0
                    reception.run(self.stopping)
            except BROKER_FAULTS as fault:
                log.warning(
                    "the broker is away", extra={"queue": self.subscription.queue, "error": type(fault).__name__}
                )
                self.stopping.wait(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1
            finally:
                self.is_consuming = False


class _Reception:
    """What is done over one connection, and the events that came over it."""

    def __init__(self, connection: Connection, database: Database, subscription: Subscription) -> None:
        self._connection = connection
        self._database = database
        self._subscription = subscription
        self._lanes = Lanes()
        self._unacknowledged: set[int] = set()
        self._pauses = 0
        self._paused_until = 0.0
        self._next_tick = self._next_count = 0.0
        self._channel = connection.channel()
        declare_queues(self._channel, subscription)
        self._channel.basic_qos(0, PREFETCH, False)  # noqa: FBT003 - as amqp spells it
        self._channel.basic_consume(subscription.queue, callback=self._receive)

    def run(self, stopping: Stopping) -> None:
        """Handle what comes until `stopping` is set. Raises one of BROKER_FAULTS when the broker goes away."""
        while not stopping.is_set():
            now = time.monotonic()
            self._tick(now)
            self._lanes.release(now)
            take_in(self._connection, self._idle_seconds(now))
            if time.monotonic() >= self._paused_until and (batch := self._lanes.take(BATCH)):
                self._handle(batch)

    def _receive(self, message: Message) -> None:
        try:
            event = open_envelope(message.body)
        except ValueError as error:
            # Nobody could ever handle it, and it has no subject to keep in order.
            log.error("a message that is no event is set aside", extra={"queue": self._subscription.queue})
            set_aside(self._connection, self._subscription.queue, message.body, attempts=0, error=error)
            self._channel.basic_ack(message.delivery_tag)
            return
        self._unacknowledged.add(message.delivery_tag)
        self._lanes.add(Delivery(message.delivery_tag, message.body, event))

    def _handle(self, batch: list[Delivery]) -> None:
        try:
            handle(self._database, self._subscription, batch)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is retried, then set aside
            self._react(batch, error)
        else:
            self._pauses = 0
            self._acknowledge(batch)

    def _react(self, batch: list[Delivery], error: Exception) -> None:
        if is_transient(error):
            # Not the events' fault: it counts for none of them, and all wait.
            pause = PAUSES[min(self._pauses, len(PAUSES) - 1)]
            self._pauses += 1
            self._paused_until = time.monotonic() + pause
            self._lanes.put_back(batch)
            log.warning(
                "the database is away or in the way",
                extra={"queue": self._subscription.queue, "error": type(error).__name__},
            )
        elif len(batch) > 1:
            for delivery in batch:
                delivery.alone = True  # to see which of them it is
            self._lanes.put_back(batch)
        else:
            self._fail(batch[0], error)

    def _fail(self, delivery: Delivery, error: Exception) -> None:
        delays = self._subscription.retry_seconds
        delivery.attempts += 1
        delivery.alone = True
        if delivery.attempts <= len(delays):
            delay = delays[delivery.attempts - 1]
            report_failure(self._subscription, delivery, error, delay)
            self._lanes.park(delivery, time.monotonic() + delay)
        else:
            queue = self._subscription.queue
            set_aside(self._connection, queue, delivery.body, attempts=delivery.attempts, error=error)
            self._acknowledge([delivery])
            report_failure(self._subscription, delivery, error, None)
            self._next_count = 0.0

    def _acknowledge(self, batch: list[Delivery]) -> None:
        tags = {delivery.tag for delivery in batch}
        self._unacknowledged -= tags
        last = max(tags)
        if min(self._unacknowledged, default=last + 1) > last:
            self._channel.basic_ack(last, multiple=True)
        else:
            for tag in sorted(tags):
                self._channel.basic_ack(tag)

    def _idle_seconds(self, now: float) -> float:
        """How long to wait for events: until there is something else to do."""
        if self._lanes:
            return max(0.0, self._paused_until - now)
        due = self._lanes.next_due()
        return _TICK_SECONDS if due is None else min(_TICK_SECONDS, max(0.0, due - now))

    def _tick(self, now: float) -> None:
        if now >= self._next_tick:
            self._next_tick = now + _TICK_SECONDS
            self._connection.heartbeat_tick()
        if now >= self._next_count:
            self._next_count = now + _COUNT_SECONDS
            queue = self._subscription.queue
            found = self._channel.queue_declare(dead_letter_queue(queue), passive=True)
            metrics.DEAD_LETTERS.labels(queue).set(found.message_count)
            waiting = self._channel.queue_declare(queue, passive=True).message_count
            metrics.QUEUE_EVENTS.labels(queue).set(waiting + len(self._unacknowledged))
