"""The service hears of what came in by an event of its own, and does by the clock what nobody asks for."""

from collections.abc import Sequence
from datetime import time, timedelta

from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.timers import Timer
from crm.leads.v1 import events_pb2

from leads.capture.keeping import purge_captures
from leads.capture.opting import ConfirmationLinks, expire
from leads.capture.polling import queue_due_polls
from leads.capture.processing import process

TIMERS = (
    Timer("leads.poll_feeds", queue_due_polls, every=timedelta(minutes=1)),
    Timer("leads.expire_opt_ins", expire, every=timedelta(minutes=1)),
    Timer("leads.purge_captures", purge_captures, daily_at=time(4, 20)),
)


def subscription(links: ConfirmationLinks) -> Subscription:
    """What the service adds to its subscriptions to judge what came in."""

    def handle_all(session: ServiceSession, received: Sequence[Received]) -> None:
        names = [one.message(events_pb2.LeadSubmitted).submission for one in received]
        process(session, [parse_name("captureSubmissions", name) for name in names], links)

    def handle(session: ServiceSession, received: Received) -> None:
        handle_all(session, [received])

    return Subscription("leads", ("LeadSubmitted",), "leads.capture", handle, handle_all=handle_all)
