"""Making the effect of events, each once, and saying so in logs, metrics and traces."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from chassis import inbox, metrics
from chassis.bus.handlers import Received, Subscription
from chassis.bus.lanes import Delivery
from chassis.callers import service_caller
from chassis.db import Database, ServiceSession
from chassis.personal_data import echoes
from chassis.telemetry import current_trace_id, span_from

log = logging.getLogger(__name__)


def handle(database: Database, subscription: Subscription, batch: Sequence[Delivery]) -> None:
    """Handle events in one transaction, together with their claims: those that have not taken effect before.

    Raises whatever the handler raises; then none of them has taken effect.
    """
    with database.write(service_caller(database.service)) as session:
        echoes.stand_still(session, erasing=subscription.erases)
        unclaimed = inbox.claim(session, subscription.queue, [delivery.event.id for delivery in batch])
        new: dict[UUID, Received] = {}
        for event in echoes.redacted(session, [delivery.event for delivery in batch]):
            if event.id in unclaimed:
                new.setdefault(event.id, event)
        effects = _make_effects(session, subscription, list(new.values()))
    metrics.HANDLED.labels(subscription.queue, "repeated").inc(len(batch) - len(new))
    for delivery in batch:
        if (effect := effects.pop(delivery.event.id, None)) is not None:
            metrics.HANDLED.labels(subscription.queue, "handled").inc()
            metrics.HANDLER_SECONDS.labels(subscription.queue).observe(effect.seconds)
            fields = _fields(subscription, delivery, effect.trace_id)
            log.info("event handled", extra=fields | {"ms": round(effect.seconds * 1000, 1)})


def report_failure(subscription: Subscription, delivery: Delivery, error: Exception, retry_in: float | None) -> None:
    """Say that a handler failed, and when it is tried again; None if it is not."""
    outcome = "failed" if retry_in is not None else "dead"
    metrics.HANDLED.labels(subscription.queue, outcome).inc()
    log.error(
        "event failed" if retry_in is not None else "event set aside as a dead letter",
        exc_info=error,
        extra=_fields(subscription, delivery, delivery.event.trace_id)
        | {"attempts": delivery.attempts, "retry_in": retry_in, "error": type(error).__name__},
    )


@dataclass(frozen=True)
class _Effect:
    """What it took to make the effect of an event."""

    seconds: float
    trace_id: str


def _make_effects(
    session: ServiceSession, subscription: Subscription, events: Sequence[Received]
) -> dict[UUID, _Effect]:
    # What the handler does not want is left from a time when it did.
    wanted = [event for event in events if event.name in subscription.events]
    effects = {event.id: _Effect(0, event.trace_id) for event in events}
    if subscription.handle_all is not None and len(wanted) > 1:
        handle_all = subscription.handle_all
        return effects | _make_effect(session, subscription, wanted, lambda: handle_all(session, wanted))
    for event in wanted:
        effects |= _make_effect(session, subscription, [event], partial(subscription.handle, session, event))
    return effects


def _make_effect(
    session: ServiceSession, subscription: Subscription, events: Sequence[Received], make: Callable[[], None]
) -> dict[UUID, _Effect]:
    """Make the effect of some events within a span on the trace of each. What is done for several goes on the trace of
    the first."""
    started, trace_ids = time.monotonic(), {}
    with ExitStack() as spans:
        for event in reversed(events):
            attributes: dict[str, str | int] = {"event.id": str(event.id), "queue": subscription.queue}
            attributes["events"] = len(events)
            name = f"{subscription.queue} {event.name}"
            spans.enter_context(span_from(event.traceparent, name, attributes=attributes))
            trace_ids[event.id] = current_trace_id()
        make()
        session.flush()
    seconds = (time.monotonic() - started) / len(events)
    return {key: _Effect(seconds, trace_id) for key, trace_id in trace_ids.items()}


def _fields(subscription: Subscription, delivery: Delivery, trace_id: str) -> dict[str, object]:
    event = delivery.event
    return {
        "event": str(event.id),
        "type": event.type,
        "handler": subscription.queue,
        "trace_id": trace_id,
    }
