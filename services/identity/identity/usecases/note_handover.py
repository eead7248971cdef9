"""Note how far a service has come with handing over what somebody who left held."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from chassis import audit, notifications
from chassis.db import ServiceSession
from chassis.jobs import JobState
from chassis.names import make_name, parse_name

from identity.model import Offboarding, OffboardingPart


@dataclass(frozen=True)
class Progress:
    """What a service tells of one kind of records."""

    service: str
    entity: str
    version: int
    state: JobState
    before: int
    moved: int
    withdrawn: int
    left: int
    after: int
    attached: Mapping[str, int]
    failure_reason: str
    failure_message: str


def note_handover(session: ServiceSession, offboarding_id: UUID, progress: Progress) -> None:
    """Note what a service tells, and the end of the offboarding if that was the last. What is older changes nothing."""
    offboarding = session.get(Offboarding, offboarding_id, with_for_update=True)
    if offboarding is None:
        return
    part = next((each for each in offboarding.parts if _same(each, progress)), None)
    if part is None:
        part = OffboardingPart.queued(progress.service, progress.entity)
        offboarding.parts.append(part)
    if part.version >= progress.version:
        return
    for name, value in vars(progress).items():
        setattr(part, name, dict(value) if name == "attached" else value)
    if offboarding.state == JobState.RUNNING and offboarding.conclude(session.now):
        session.flush()
        audit.record(session, "offboarding.end", offboarding.name, None, offboarding.snapshot())
        _tell(session, offboarding)


def _same(part: OffboardingPart, progress: Progress) -> bool:
    return (part.service, part.entity) == (progress.service, progress.entity)


def _tell(session: ServiceSession, offboarding: Offboarding) -> None:
    if offboarding.creator.startswith("users/"):
        recipient = parse_name("users", offboarding.creator, field="creator")
        params = {"user": make_name("users", offboarding.user_id), "state": offboarding.state}
        notifications.notify(session, recipient, "OFFBOARDING_ENDED", offboarding.name, params)
