"""What a service says about the events it handles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chassis.bus.envelope import Received
from chassis.db import ServiceSession

__all__ = ["RETRY_SECONDS", "SUITE", "Received", "Subscription", "restating_queue"]

RETRY_SECONDS = (1.0, 5.0, 30.0, 120.0, 300.0)
"""How long to wait before each new attempt. Stays well below the 30 minutes after which RabbitMQ takes a consumer
that does not acknowledge for stuck."""

SUITE = "suite"
"""The source of what any service may publish, for handlers that cannot know all services: see `chassis.restating`."""


def restating_queue(service: str) -> str:
    """The queue of the handler by which a service tells again how its records are."""
    return f"{service}.restating"


@dataclass(frozen=True)
class Subscription:
    """A handler of another service's events.

    Events of one subject are handled one after the other, in the order in which they were published. Each takes
    effect once. One that fails is tried again after each of `retry_seconds`, while later events of its subject
    wait for it and other subjects go on; then it is set aside as a dead letter and the subject goes on. A dead
    letter may be replayed at any later time, so a handler that keeps state must compare versions.
    """

    source: str
    """The service that publishes them."""
    events: tuple[str, ...]
    """Their short names, e.g. `ThingMade`."""
    queue: str
    """The name of the handler's queue, e.g. `things.notes`. Renaming it strands what is in it."""
    handle: Callable[[ServiceSession, Received], None]
    """Makes the effect, in a transaction that it must not commit. It may share the transaction with other events,
    and after a failure it is called again, so it must have no effect outside the session."""
    retry_seconds: tuple[float, ...] = RETRY_SECONDS
    handle_all: Callable[[ServiceSession, Sequence[Received]], None] | None = None
    """Makes the effect of several events at once, on the same terms, where that costs less than one after the other. It
    comes to the same as `handle` for each, in the order given."""
    erases: bool = False
    """Whether it takes people out of what the service holds: it waits then until no other handler is under way, and the
    others wait for it. See `chassis.personal_data.echoes`."""
    keeps_state: bool = False
    """Whether it keeps how the source's records are, and so needs what was told before: see `chassis.restating`."""
