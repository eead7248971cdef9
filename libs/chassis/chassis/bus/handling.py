"""Making the effect of events, each once, and saying so in logs, metrics and traces."""

import logging
import time
from collections.abc import Sequence

from chassis import inbox, metrics
from chassis.bus.handlers import Subscription
from chassis.bus.lanes import Delivery
from chassis.callers import service_caller
from chassis.db import Database, ServiceSession
from chassis.telemetry import current_trace_id, span_from

log = logging.getLogger(__name__)


def handle(database: Database, subscription: Subscription, batch: Sequence[Delivery]) -> None:
    """Handle events in one transaction, together with their claims: those that have not taken effect before.

    Raises whatever the handler raises; then none of them has taken effect.
    """
    handled: list[tuple[Delivery, float, str]] = []
    with database.write(service_caller(database.service)) as session:
        unclaimed = inbox.claim(session, subscription.queue, [delivery.event.id for delivery in batch])
        for delivery in batch:
            if delivery.event.id in unclaimed:
                unclaimed.discard(delivery.event.id)
                handled.append((delivery, *_make_effect(session, subscription, delivery)))
    metrics.HANDLED.labels(subscription.queue, "repeated").inc(len(batch) - len(handled))
    for delivery, seconds, trace_id in handled:
        metrics.HANDLED.labels(subscription.queue, "handled").inc()
        metrics.HANDLER_SECONDS.labels(subscription.queue).observe(seconds)
        fields = _fields(subscription, delivery, trace_id)
        log.info("event handled", extra=fields | {"ms": round(seconds * 1000, 1)})


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


def _make_effect(session: ServiceSession, subscription: Subscription, delivery: Delivery) -> tuple[float, str]:
    """Returns how many seconds it took, and in which trace."""
    event, started, trace_id = delivery.event, time.monotonic(), delivery.event.trace_id
    if event.name in subscription.events:  # else it is left from a time when the handler wanted it
        attributes = {"event.id": str(event.id), "queue": subscription.queue}
        with span_from(event.traceparent, f"{subscription.queue} {event.name}", attributes=attributes):
            subscription.handle(session, event)
            session.flush()
            trace_id = current_trace_id()
    return time.monotonic() - started, trace_id


def _fields(subscription: Subscription, delivery: Delivery, trace_id: str) -> dict[str, object]:
    event = delivery.event
    return {
        "event": str(event.id),
        "type": event.type,
        "handler": subscription.queue,
        "trace_id": trace_id,
    }
