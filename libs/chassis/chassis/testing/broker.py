"""The message broker for tests, and the loops of a `work` process inside a test.

The broker is `TEST_AMQP_URL` if that is set; else an embedded one is started for the test run when the first test
needs it. Tests share it, so each uses services and queues of its own: see `unique`.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from chassis.bus.handlers import Subscription

DeclareQueues = Callable[..., None]
"""`declare_queues(*subscriptions)`: declares what they need; it is removed at the end of the test."""


class Loop(Protocol):
    """Something that works until it is stopped."""

    def run(self) -> None:
        """Work until stopped."""

    def stop(self) -> None:
        """Ask `run` to return."""


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a message broker. Nobody gives up to connect to it because the machine stood still."""
    from chassis.bus import nodes

    nodes.CONNECT_SECONDS = 60
    if url := os.environ.get("TEST_AMQP_URL"):
        yield url
        return
    from embedded import rabbitmq

    base = tmp_path_factory.getbasetemp()
    node = rabbitmq.start(base / "rabbitmq")
    try:
        yield node.url
    finally:
        node.stop()


@pytest.fixture
def declare_queues(broker: str) -> Iterator[DeclareQueues]:
    """Declares exchanges and queues for a test."""
    from chassis.bus.topology import declare_all

    declared: list[Subscription] = []

    def declare(*subscriptions: "Subscription") -> None:
        declared.extend(subscriptions)
        declare_all(broker, subscriptions)

    yield declare
    remove_queues(broker, declared)


def remove_queues(amqp_url: str, subscriptions: "Sequence[Subscription]") -> None:
    """Delete the queues of handlers, and the exchanges they listen to."""
    from chassis.bus.topology import connected, dead_letter_queue, exchange_name

    with connected(amqp_url) as connection:
        channel = connection.channel()
        for subscription in subscriptions:
            channel.queue_delete(subscription.queue)
            channel.queue_delete(dead_letter_queue(subscription.queue))
            channel.exchange_delete(exchange_name(subscription.source))


def unique(name: str) -> str:
    """A name that no other test uses, lower case letters and digits alone."""
    return f"{name}{uuid4().hex[:8]}"


@contextmanager
def running(*loops: Loop) -> Iterator[None]:
    """Run loops in threads of their own. At the end they have returned; one that broke fails the test."""
    broken: list[BaseException] = []

    def work(loop: Loop) -> None:
        try:
            loop.run()
        except BaseException as error:
            broken.append(error)
            raise

    threads = [threading.Thread(target=work, args=[loop], daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        for thread in threads:
            thread.join(60)
    assert not broken, broken
    assert not any(thread.is_alive() for thread in threads), "a loop does not stop"
