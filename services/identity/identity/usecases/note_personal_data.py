"""Note what a service did for a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from sqlalchemy import select

from identity.model import PersonalDataRequest


@dataclass(frozen=True)
class Done:
    """What a service tells: counts by kind of records."""

    service: str
    found: Mapping[str, int]
    erased: Mapping[str, int]
    held: Mapping[str, int]
    kept: Mapping[str, int]


def note_personal_data(session: ServiceSession, request_id: UUID, done: Done) -> None:
    """Keep it, and end the request once all services are done. Told again, it changes nothing."""
    statement = select(PersonalDataRequest).where(PersonalDataRequest.id == request_id)
    request = session.scalars(statement.with_for_update(of=PersonalDataRequest)).one()
    part = next((each for each in request.parts if each.service == done.service), None)
    if part is None or part.done:
        return
    part.done = True
    part.found, part.erased = dict(done.found), dict(done.erased)
    part.held, part.kept = dict(done.held), dict(done.kept)
    if request.conclude(session.now):
        audit.record(session, "personal_data.end", request.name, None, request.snapshot())
    session.flush()
