"""The service's own events about leads: translate, and leave the rest to the use case."""

from collections.abc import Sequence
from uuid import UUID

from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.names import parse_name
from crm.leads.v1 import events_pb2

from leads.assignment.running import assign_new

_LETS_IN = {"owner", "status", "registration_state"}
"""The fields whose change can make a lead the rules' business."""


def take_in(session: ServiceSession, received: Received) -> None:
    """Assign the lead that an event tells of, if nobody owns it."""
    take_all_in(session, [received])


def take_all_in(session: ServiceSession, received: Sequence[Received]) -> None:
    """Assign those of the leads that events tell of that nobody owns."""
    told = [lead for lead in map(_unowned, received) if lead is not None]
    assign_new(session, list(dict.fromkeys(told)))


def _unowned(received: Received) -> UUID | None:
    if received.name == "LeadCreated":
        created = received.message(events_pb2.LeadCreated)
        return None if created.state.owner else parse_name("leads", created.lead, field="lead")
    updated = received.message(events_pb2.LeadUpdated)
    if updated.state.owner or not _LETS_IN.intersection(updated.changed_fields):
        return None
    return parse_name("leads", updated.lead, field="lead")


SUBSCRIPTION = Subscription(
    "leads", ("LeadCreated", "LeadUpdated"), "leads.assignment", take_in, handle_all=take_all_in
)
