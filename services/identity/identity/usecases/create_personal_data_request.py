"""Start to export or erase the data about a person in all services."""

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.names import make_name, new_id
from chassis.personal_data import KnownLegalHold, Person, holds_in_force, refuse_held
from chassis.personal_data.model import KEPT
from chassis.rules import optional_text
from sqlalchemy import select

from identity.events import LegalHoldChanged, PersonalDataRequested
from identity.locks import lock_holds
from identity.model import PersonalDataPart, PersonalDataRequest, RequestKind, RequestState, User

PERMISSION = "personal_data.manage"
SERVICES = ("customers", "identity", "leads")
"""The services that hold something about people."""
MOST_REASON = 500


def create_personal_data_request(
    session: ServiceSession, kind: RequestKind, subject: str, person: Person, reason: str
) -> PersonalDataRequest:
    """Note the request and announce it. `person` is as all services know the person.

    Raises Invalid MISSING_REASON, and for an erasure Conflict USER_ACTIVE if the person may sign in, and LEGAL_HOLD if
    one keeps the person's data. Services hear of holds with the request: which came first is decided here alone.
    """
    session.caller.require_everything(PERMISSION)
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
    lock_holds(session)
    if kind is RequestKind.ERASE:
        if subject.startswith("users/"):
            _refuse_active(session, person)
        refuse_held(session, person.records, person.marks)
    session.add(request)
    session.flush()
    audit.record(session, "personal_data.request", request.name, None, request.snapshot())
    outbox.emit(session, _requested(session, request, person))
    return request


def _requested(session: ServiceSession, request: PersonalDataRequest, person: Person) -> PersonalDataRequested:
    return PersonalDataRequested(
        request=request.name,
        kind=request.kind,
        records=sorted(person.records),
        places=sorted(person.places),
        sealed_identifiers=person.seal(session.data_keys, request.id),
        actor=session.caller.subject,
        legal_holds=_holds(session),
    )


def _holds(session: ServiceSession) -> list[LegalHoldChanged]:
    return [
        LegalHoldChanged(
            make_name("legalHolds", hold.id), hold.version, hold.records, hold.digests, hold.expire_time, active=True
        )
        for hold in session.scalars(holds_in_force(session).order_by(KnownLegalHold.id))
    ]


def why(reason: str) -> str:
    """The reason for what is done with personal data. Raises Invalid MISSING_REASON."""
    text = optional_text(reason, maximum=MOST_REASON, lines=True)
    if text is None:
        raise Invalid("MISSING_REASON", "say why this is done", field="reason")
    return text


def _refuse_active(session: ServiceSession, person: Person) -> None:
    users = session.scalars(select(User).where(User.id.in_(person.ids("users"))))
    for user in users:
        if user.active:
            message = "the user may still sign in: let the user leave first (OffboardUser)"
            raise Conflict("USER_ACTIVE", message, user=user.name)
