"""Taking up a hand-over when somebody leaves."""

from functools import partial
from typing import Any

from crm.identity.v1.events_pb2 import OffboardingStarted
from google.protobuf.json_format import MessageToDict
from sqlalchemy import delete, select

from chassis.bus.handlers import Received, Subscription
from chassis.db import ServiceSession
from chassis.handover.entities import Handover
from chassis.handover.model import HandoverItem, HandoverTask, ItemState
from chassis.jobs.model import JobState
from chassis.jobs.store import create_job
from chassis.names import parse_name

JOBS = "handovers"


def subscription(handover: Handover) -> Subscription:
    """What a service adds to its subscriptions to hand over what people who leave hold."""
    return Subscription("identity", ("OffboardingStarted",), f"{handover.service}.handover", partial(_start, handover))


def _start(handover: Handover, session: ServiceSession, received: Received) -> None:
    event = received.message(OffboardingStarted)
    # Whatever order the events of people come in: from here on nobody gives the user anything.
    handover.learn_user(session, event.user)
    for entity in handover.entities:
        task = _task(session, event, entity.name)
        if task is not None:
            create_job(session, JOBS, {"task": str(task.id), "round": task.round})


def _task(session: ServiceSession, event: OffboardingStarted, entity: str) -> HandoverTask | None:
    """The task that is to be done now; None if it is done, or under way."""
    mine = select(HandoverTask).where(HandoverTask.offboarding == event.offboarding, HandoverTask.entity == entity)
    task = session.scalar(mine.with_for_update())
    if task is None:
        task = HandoverTask(
            offboarding=event.offboarding,
            entity=entity,
            user_id=parse_name("users", event.user.user, field="user"),
            version=0,
            before=0,
            moved=0,
            withdrawn=0,
            after=0,
            attached={},
            create_time=session.now,
        )
        session.add(task)
    elif task.state == JobState.SUCCEEDED or task.round >= event.round:
        return None
    task.begin(event.round)
    task.actor = event.actor
    task.rules = _rules(event)
    task.default_successor = parse_name("users", event.default_successor, field="default_successor")
    session.flush()
    pending = (HandoverItem.task_id == task.id, HandoverItem.state == ItemState.PENDING)
    session.execute(delete(HandoverItem).where(*pending))
    return task


def _rules(event: OffboardingStarted) -> list[dict[str, Any]]:
    return [MessageToDict(rule, preserving_proto_field_name=True) for rule in event.rules]
