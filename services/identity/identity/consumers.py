"""Inbound events: translate, and leave the rest to a use case."""

from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.jobs import JobState
from chassis.names import parse_name
from crm.common.v1.handover_pb2 import HandoverProgressed
from crm.common.v1.personal_data_pb2 import PersonalDataProcessed

from identity.succession import SERVICES
from identity.usecases.create_personal_data_request import SERVICES as HOLDING
from identity.usecases.note_handover import Progress, note_handover
from identity.usecases.note_personal_data import Done, note_personal_data


def keep_progress(session: ServiceSession, received: Received) -> None:
    """Note how far a service has come with a hand-over."""
    # By name, as the service wrote it: the contract's enum has a prefix.
    state = JobState(received.data["state"].removeprefix("JOB_STATE_"))
    event = received.message(HandoverProgressed)
    progress = Progress(
        service=event.service,
        entity=event.entity,
        version=event.version,
        state=state,
        before=event.before,
        moved=event.moved,
        withdrawn=event.withdrawn,
        left=event.left,
        after=event.after,
        attached=dict(event.attached),
        failure_reason=event.failure_reason,
        failure_message=event.failure_message,
    )
    note_handover(session, parse_name("offboardings", event.offboarding, field="offboarding"), progress)


def keep_personal_data(session: ServiceSession, received: Received) -> None:
    """Note what a service did for a request for personal data."""
    event = received.message(PersonalDataProcessed)
    done = Done(event.service, dict(event.found), dict(event.erased), dict(event.held), dict(event.kept))
    note_personal_data(session, parse_name("personalDataRequests", event.request, field="request"), done)


SUBSCRIPTIONS = tuple(
    Subscription(service, ("HandoverProgressed",), f"identity.handover.{service}", keep_progress)
    for service in sorted(set(SERVICES.values()))
) + tuple(
    Subscription(service, ("PersonalDataProcessed",), f"identity.personal-data.{service}", keep_personal_data)
    for service in HOLDING
)
