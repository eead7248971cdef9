"""Start to export or erase the data about a person in all services."""

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.names import new_id
from chassis.personal_data import Person
from chassis.personal_data.model import KEPT
from chassis.rules import optional_text
from sqlalchemy import select

from identity.events import PersonalDataRequested
from identity.grants import require_everything
from identity.model import PersonalDataPart, PersonalDataRequest, RequestKind, RequestState, User

PERMISSION = "personal_data.manage"
SERVICES = ("customers", "identity", "leads")
"""The services that hold something about people."""
MOST_REASON = 500


def create_personal_data_request(
    session: ServiceSession, kind: RequestKind, subject: str, person: Person, reason: str
) -> PersonalDataRequest:
    """Note the request and announce it. `person` is as all services know the person.

    Raises Invalid MISSING_REASON, and Conflict USER_ACTIVE for the erasure of somebody who may sign in.
    """
    require_everything(session.caller, PERMISSION)
    request = PersonalDataRequest(
        id=new_id(),
        kind=kind,
        subject=subject,
        reason=why(reason),
        state=RequestState.RUNNING,
        creator=session.caller.subject,
        create_time=session.now,
        expire_time=session.now + KEPT if kind is RequestKind.EXPORT else None,
        parts=[
            PersonalDataPart(service=service, done=False, found={}, erased={}, held={}, kept={}) for service in SERVICES
        ],
    )
    if kind is RequestKind.ERASE and subject.startswith("users/"):
        _refuse_active(session, person)
    session.add(request)
    session.flush()
    audit.record(session, "personal_data.request", request.name, None, request.snapshot())
    outbox.emit(
        session,
        PersonalDataRequested(
            request=request.name,
            kind=kind.value,
            records=sorted(person.records),
            places=sorted(person.places),
            sealed_identifiers=person.seal(session.data_keys, request.id),
            actor=session.caller.subject,
        ),
    )
    return request


def why(reason: str) -> str:
    """The reason for what is done with personal data. Raises Invalid MISSING_REASON."""
    text = optional_text(reason, maximum=MOST_REASON)
    if text is None:
        raise Invalid("MISSING_REASON", "say why this is done", field="reason")
    return text


def _refuse_active(session: ServiceSession, person: Person) -> None:
    users = session.scalars(select(User).where(User.id.in_(person.ids("users"))))
    for user in users:
        if user.active:
            message = "the user may still sign in: let the user leave first (OffboardUser)"
            raise Conflict("USER_ACTIVE", message, user=user.name)
