"""When leads are scored: as soon as something about them changes, and anew each day."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.timers import Timer
from crm.leads.v1 import events_pb2

from leads.scoring.scoring import rescore, rescore_stale

_EVENTS = {
    "LeadCreated": events_pb2.LeadCreated,
    "LeadUpdated": events_pb2.LeadUpdated,
    "LeadFollowUpLogged": events_pb2.LeadFollowUpLogged,
}
PORTIONS = 4
"""How many portions of stale scores a run of the timer computes at most, so that its transaction stays short."""


def score_all(session: ServiceSession, received: Sequence[Received]) -> None:
    """Score the leads that something happened to."""
    names = {one.message(_EVENTS[one.name]).lead for one in received}
    rescore(session, {parse_name("leads", name, field="lead") for name in names})


def score(session: ServiceSession, received: Received) -> None:
    """The same for one event."""
    score_all(session, [received])


def score_stale(session: ServiceSession, due: datetime) -> None:
    """Let points fade by the day, and score by new rules or a new model."""
    for _ in range(PORTIONS):
        if not rescore_stale(session):
            return


SUBSCRIPTION = Subscription("leads", tuple(_EVENTS), "leads.scoring", score, handle_all=score_all)
TIMER = Timer("leads.score", score_stale, every=timedelta(minutes=1))
