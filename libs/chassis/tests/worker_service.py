"""A small service for the tests of the `work` process, which import it there."""

import time
from datetime import datetime, timedelta
from pathlib import Path

from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.outbox import OutboxEvent
from chassis.service import Runtime, Service
from chassis.telemetry import current_trace_id
from chassis.timers import Timer
from sqlalchemy import func, select, text


def note(session: ServiceSession, received: Received) -> None:
    """Note an event, slowly."""
    time.sleep(received.data["number"])
    session.execute(
        text("INSERT INTO note (subject, trace) VALUES (:subject, :trace)"),
        {"subject": received.subject, "trace": current_trace_id()},
    )


def tick(session: ServiceSession, due: datetime) -> None:
    """Note that time passes."""
    session.execute(text("INSERT INTO note (subject) VALUES ('tick')"))
    assert session.scalar(select(func.count()).select_from(OutboxEvent)) is not None


def subscriptions(runtime: Runtime) -> list[Subscription]:
    """It listens to itself. The queue is named by the test, since tests share a broker."""
    queue = runtime.settings.environment["TEST_QUEUE"]
    return [Subscription("worker", ("Noted",), queue, note)]


def timers(runtime: Runtime) -> list[Timer]:
    """One that is due all the time."""
    return [Timer("tick", tick, every=timedelta(seconds=0.2))]


SERVICE = Service(
    "worker", Path(__file__).parent, servicers=lambda runtime: (), subscriptions=subscriptions, timers=timers
)
