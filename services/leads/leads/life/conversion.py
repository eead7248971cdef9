"""How a lead becomes a customer, in two services, so that for whoever asks it is one step.

1. `begin`: the conversion is noted as STARTED, and the lead kept from other changes.
2. The customers service admits the lead in one transaction of its own, once whatever happens, and announces that.
3. `complete`: lead, follow-ups and work become the customer's, and all is told. Whoever comes first does it: the call,
   or the announcement, if the call has died since. If the customers service refuses, `cancel` takes back the first.

If nothing of that comes, `ask` has the customers service say what has become of it; what it has not admitted by then it
never will.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.etags import check_etag
from chassis.names import make_name, new_id
from chassis.timers import has_rows
from sqlalchemy import select, update

from leads import subjects
from leads.events import LeadConversionStalled, LeadConverted
from leads.facts import snapshot
from leads.lead_queries import lock_lead
from leads.life.opportunities import wish
from leads.life.statuses import OPEN, TRANSITIONS, has_converted
from leads.life.timeline import note
from leads.model import (
    ConversionState,
    FollowUp,
    KnownCustomer,
    Lead,
    LeadConversion,
    LeadEventKind,
    LeadStatus,
    RegistrationState,
)
from leads.promises import await_acknowledgement
from leads.usecases.learn_customers import CustomerFacts, learn_customers
from leads.usecases.log_follow_ups import logged
from leads.usecases.merge_customers import catch_up
from leads.usecases.update_lead import announce

PATIENCE = timedelta(minutes=2)
"""How long a conversion may be under way before the customers service is asked what has become of it. Its calls
end long before."""
ASK_AGAIN = timedelta(minutes=10)
BATCH = 500

_UNDECIDED = (RegistrationState.PENDING_APPROVAL, RegistrationState.REJECTED)


@dataclass(frozen=True)
class Begun:
    """A conversion under way, or done."""

    id: UUID
    attempt: int
    done: bool
    lead: Mapping[str, Any]
    """What the lead says."""


@dataclass(frozen=True)
class Admission:
    """What the customers service has made of a lead."""

    customer: CustomerFacts
    contact_id: UUID | None


def begin(
    session: ServiceSession, lead_id: UUID, digest: bytes, opportunity: Mapping[str, Any] | None, *, etag: str = ""
) -> Begun:
    """Note that the caller turns a lead into a customer. Asked for the same again, it goes on with that.

    Raises Conflict LEAD_CONVERTED, CONVERSION_UNDER_WAY if something else is asked for, STATUS_NOT_REACHABLE for a lead
    that was given up, or REGISTRATION_UNDECIDED.
    """
    lead = lock_lead(session, lead_id, "lead.convert")
    current = _current(session, lead_id)
    if current is not None:
        return _go_on(session, lead, current, digest)
    if lead.status == LeadStatus.CONVERTED:
        raise has_converted(lead)
    check_etag(etag, lead.version)
    _require_open(lead)
    conversion = LeadConversion(
        id=new_id(),
        lead_id=lead.id,
        state=ConversionState.STARTED,
        digest=digest,
        attempt=1,
        creator=session.caller.subject,
        opportunity=dict(opportunity) if opportunity is not None else None,
        ask_time=session.now + PATIENCE,
        create_time=session.now,
    )
    session.add(conversion)
    session.flush()
    audit.record(session, "lead.start_conversion", lead.name, None, {"conversion": conversion.name})
    return Begun(conversion.id, conversion.attempt, done=False, lead=_said(lead))


def _go_on(session: ServiceSession, lead: Lead, current: LeadConversion, digest: bytes) -> Begun:
    done = current.state == ConversionState.DONE
    if current.digest != digest:
        if done:
            raise has_converted(lead)
        raise Conflict("CONVERSION_UNDER_WAY", "the lead is becoming a customer; try again in a minute")
    if not done:
        current.attempt += 1
        current.ask_time = session.now + PATIENCE
        session.flush()
        audit.record(session, "lead.retry_conversion", lead.name, None, {"conversion": current.name})
    return Begun(current.id, current.attempt, done=done, lead=_said(lead))


def _require_open(lead: Lead) -> None:
    if lead.status not in OPEN:
        allowed = ", ".join(sorted(TRANSITIONS[LeadStatus(lead.status)]))
        message = f"a lead that is {lead.status} becomes one of {allowed} next"
        raise Conflict("STATUS_NOT_REACHABLE", message, status=lead.status, allowed=allowed)
    if lead.registration_state in _UNDECIDED:
        raise Conflict("REGISTRATION_UNDECIDED", "approve the partner's registration first")


def _said(lead: Lead) -> dict[str, Any]:
    return {column.key: getattr(lead, column.key) for column in Lead.__table__.columns}


def complete(
    session: ServiceSession, lead_id: UUID, conversion_id: UUID, admission: Admission
) -> LeadConversion | None:
    """Let a lead be the customer that it was admitted as, with all that was said and is to be done, and tell of it;
    once, however often it is called. Returns None for a lead that is no more."""
    customer = admission.customer
    # The owner is locked before the lead, as in a department move, so that the two never wait for each other.
    if customer.version:
        learn_customers(session, [customer])
    session.execute(select(KnownCustomer.id).where(KnownCustomer.id == customer.id).with_for_update())
    lead = session.get(Lead, lead_id, with_for_update=True, populate_existing=True)
    conversion = _current(session, lead_id) or session.get(LeadConversion, conversion_id)
    if lead is None or conversion is None:
        return None
    if conversion.state == ConversionState.DONE:
        return conversion
    before = snapshot(lead)
    conversion.state, conversion.end_time = ConversionState.DONE, session.now
    lead.status, lead.status_reason, lead.status_note = LeadStatus.CONVERTED, None, None
    lead.converted_customer_id, lead.converted_contact_id = customer.id, admission.contact_id
    session.flush()
    subjects.follow_conversion(session, lead.id, customer.id)
    said = _give_follow_ups(session, lead.id, customer.id)
    # The customer may have become one with another since it was admitted.
    now = catch_up(session, customer.id, admission.contact_id)
    session.refresh(lead, ["converted_customer_id", "converted_contact_id"])
    conversion.customer_id, conversion.contact_id = lead.converted_customer_id, lead.converted_contact_id
    note(session, lead, LeadEventKind.CONVERTED, actor=conversion.creator, after=make_name("customers", now))
    announce(session, lead, before, "lead.convert")
    _tell_follow_ups(session, said)
    await_acknowledgement(session, [now])
    outbox.emit(session, _told(lead, conversion))
    return conversion


def _give_follow_ups(session: ServiceSession, lead_id: UUID, customer_id: UUID) -> list[UUID]:
    """Let what was said to a lead have been said to the customer. Returns what that is."""
    wanted = select(FollowUp.id).where(FollowUp.lead_id == lead_id, FollowUp.customer_id.is_(None))
    said = list(session.scalars(wanted.order_by(FollowUp.id).with_for_update()))
    given = update(FollowUp).where(FollowUp.id.in_(said)).values(customer_id=customer_id)
    session.execute(given.execution_options(synchronize_session=False))
    return said


def _tell_follow_ups(session: ServiceSession, said: Sequence[UUID]) -> None:
    """Tell what was said, for the customer's timeline."""
    for part in range(0, len(said), BATCH):
        wanted = select(FollowUp).where(FollowUp.id.in_(said[part : part + BATCH])).order_by(FollowUp.id)
        told = session.scalars(wanted.execution_options(populate_existing=True))
        outbox.emit_all(session, [logged(follow_up) for follow_up in told])


def _told(lead: Lead, conversion: LeadConversion) -> LeadConverted:
    return LeadConverted(
        lead=lead.name,
        version=lead.version,
        conversion=conversion.name,
        customer=make_name("customers", conversion.customer_id),
        contact=make_name("contacts", conversion.contact_id),
        actor=conversion.creator,
        opportunity=wish(conversion.opportunity),
    )


def cancel(session: ServiceSession, conversion_id: UUID, *, attempt: int | None = None) -> None:
    """Call off a conversion that was not admitted, unless it is done, or somebody has asked for it again since."""
    conversion = session.get(LeadConversion, conversion_id, with_for_update=True)
    if conversion is None or conversion.state != ConversionState.STARTED:
        return
    if attempt is not None and conversion.attempt != attempt:
        return
    conversion.state, conversion.end_time = ConversionState.CANCELLED, session.now
    session.flush()
    lead = make_name("leads", conversion.lead_id)
    audit.record(session, "lead.cancel_conversion", lead, {"conversion": conversion.name}, None)


def ask(session: ServiceSession) -> bool:
    """Ask what has become of the conversions that nobody waits for any more. For a timer.

    Returns whether some are left, as others hold them.
    """
    waiting = (
        select(LeadConversion)
        .where(LeadConversion.state == ConversionState.STARTED, LeadConversion.ask_time <= session.now)
        .order_by(LeadConversion.ask_time)
    )
    while stalled := session.scalars(waiting.limit(BATCH).with_for_update(skip_locked=True)).all():
        for conversion in stalled:
            conversion.ask_time = session.now + ASK_AGAIN
        session.flush()
        told = [LeadConversionStalled(make_name("leads", one.lead_id), one.name) for one in stalled]
        outbox.emit_all(session, told)
    return has_rows(session, waiting)


def _current(session: ServiceSession, lead_id: UUID) -> LeadConversion | None:
    """The conversion of a lead that is under way, or done, locked: `cancel` locks no lead."""
    statement = select(LeadConversion).where(
        LeadConversion.lead_id == lead_id, LeadConversion.state != ConversionState.CANCELLED
    )
    return session.scalars(statement.with_for_update().execution_options(populate_existing=True)).one_or_none()
