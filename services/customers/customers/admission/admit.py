"""Take in a lead as a customer with a contact: once, and all of it or nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import audit, locks, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, Duplicate, Invalid, Violation
from chassis.names import make_name
from sqlalchemy import select

from customers.events import CustomerState, LeadAdmitted, LeadNotAdmitted
from customers.facts import state
from customers.model import Contact, Customer, LeadAdmission
from customers.queries import lock_customer
from customers.usecases.create_contact import NewContact, add_contact, judge_new_contact
from customers.usecases.create_customer import CustomerDraft, create_customer


@dataclass(frozen=True)
class ContactDraft:
    """A contact as its creator states it: raw values by field, the company's own by key."""

    values: Mapping[str, Any]
    custom_fields: Mapping[str, Any]


@dataclass(frozen=True)
class Applicant:
    """What a lead is to become."""

    conversion_id: UUID
    lead_id: UUID
    customer_id: UUID | None = None
    """A customer that exists, instead of a new one."""
    new_customer: CustomerDraft | None = None
    contact_id: UUID | None = None
    """A contact that the customer has, instead of a new one."""
    new_contact: ContactDraft | None = None


def admit_lead(session: ServiceSession, applicant: Applicant) -> LeadAdmission:
    """Take in a lead on behalf of the caller, unless it was before, and announce it. Returns what came of it.

    Raises Conflict CONVERSION_CANCELLED; Invalid, naming every field at fault of the customer and the contact;
    Duplicate; Denied and NotFound as the use cases do that do each by itself.
    """
    _one_at_a_time(session, applicant.lead_id)
    if (done := _admission(session, applicant.lead_id)) is not None:
        return done
    if session.get(LeadAdmission, applicant.conversion_id) is not None:
        raise Conflict("CONVERSION_CANCELLED", "this was called off, as nobody waited any more; convert the lead again")
    contact = _judged_contact(session, applicant)
    if applicant.customer_id is not None:
        customer_id, contact_id = _join(session, applicant, applicant.customer_id, contact)
    else:
        customer_id, contact_id = _create(session, applicant, contact)
    admission = LeadAdmission(
        id=applicant.conversion_id,
        lead_id=applicant.lead_id,
        customer_id=customer_id,
        contact_id=contact_id,
        cancelled=False,
        create_time=session.now,
    )
    session.add(admission)
    session.flush()
    after = {"lead": make_name("leads", applicant.lead_id), "contact": make_name("contacts", contact_id)}
    audit.record(session, "customer.admit_lead", make_name("customers", customer_id), None, after)
    outbox.emit(session, _admitted(session, admission))
    return admission


def settle_stalled(session: ServiceSession, conversion_id: UUID, lead_id: UUID) -> None:
    """Tell what has become of a conversion that nobody waits for; call it off if nothing has, so that nothing will."""
    _one_at_a_time(session, lead_id)
    if (done := _admission(session, lead_id)) is not None:
        outbox.emit(session, _admitted(session, done))
        return
    if session.get(LeadAdmission, conversion_id) is None:
        session.add(LeadAdmission(id=conversion_id, lead_id=lead_id, cancelled=True, create_time=session.now))
        session.flush()
    conversion = make_name("leadConversions", conversion_id)
    outbox.emit(session, LeadNotAdmitted(make_name("leads", lead_id), conversion))


def state_of(session: ServiceSession, admission: LeadAdmission) -> CustomerState:
    """The state of the customer that a lead was taken in as; its name alone if it is no more."""
    customer = session.get(Customer, admission.customer_id)
    if customer is not None:
        return state(customer)
    gone: dict[str, Any] = dict.fromkeys(CustomerState.__dataclass_fields__, "")
    return CustomerState(**gone | {"customer": make_name("customers", admission.customer_id), "version": 0})


def _one_at_a_time(session: ServiceSession, lead_id: UUID) -> None:
    locks.hold(session, f"lead {lead_id}")


def _admission(session: ServiceSession, lead_id: UUID) -> LeadAdmission | None:
    statement = select(LeadAdmission).where(LeadAdmission.lead_id == lead_id, ~LeadAdmission.cancelled)
    return session.scalars(statement).one_or_none()


def _judged_contact(session: ServiceSession, applicant: Applicant) -> NewContact | list[Violation] | None:
    """The contact to create, or what is wrong with it."""
    given = applicant.new_contact
    if given is None:
        return None
    session.caller.scope("contact.create")
    try:
        return judge_new_contact(session, given.values, given.custom_fields)
    except Invalid as refusal:
        return _within("new_contact", refusal)


def _create(
    session: ServiceSession, applicant: Applicant, contact: NewContact | list[Violation] | None
) -> tuple[UUID, UUID | None]:
    session.caller.scope("customer.create")
    if applicant.contact_id is not None:
        raise Invalid("UNKNOWN_CONTACT", "a new customer has no contacts yet", field="contact")
    faults = contact if isinstance(contact, list) else []
    try:
        customer = create_customer(session, applicant.new_customer or CustomerDraft({}, {}))
    except Invalid as refusal:
        raise _refused([*_within("new_customer", refusal), *faults]) from refusal
    except Duplicate as refusal:
        field = f"new_customer.{refusal.field}"
        if faults:
            raise _refused([Violation(field, refusal.reason, refusal.message), *faults]) from refusal
        raise Duplicate(refusal.reason, refusal.message, field=field, **refusal.details) from refusal
    if faults:
        raise _refused(faults)
    added = add_contact(session, customer.id, contact) if isinstance(contact, NewContact) else None
    return customer.id, added.id if added is not None else None


def _join(
    session: ServiceSession, applicant: Applicant, customer_id: UUID, contact: NewContact | list[Violation] | None
) -> tuple[UUID, UUID | None]:
    lock_customer(session, customer_id, "customer.update")
    if isinstance(contact, list):
        raise _refused(contact)
    if contact is not None:
        lock_customer(session, customer_id, "contact.create")
        return customer_id, add_contact(session, customer_id, contact).id
    if applicant.contact_id is not None:
        its = select(Contact.id).where(Contact.id == applicant.contact_id, Contact.customer_id == customer_id)
        if session.scalar(its) is None:
            raise Invalid("UNKNOWN_CONTACT", "this is no contact of the customer", field="contact")
    return customer_id, applicant.contact_id


def _within(part: str, refusal: Invalid) -> list[Violation]:
    faults: Iterable[Violation] = refusal.violations or [Violation("", refusal.reason, refusal.message)]
    return [Violation(f"{part}.{one.field}".rstrip("."), one.reason, one.message) for one in faults]


def _refused(faults: list[Violation]) -> Invalid:
    reason = faults[0].reason if len(faults) == 1 else "INVALID_FIELDS"
    field = faults[0].field if len(faults) == 1 else ""
    return Invalid(reason, "; ".join(one.message for one in faults), field=field, violations=faults)


def _admitted(session: ServiceSession, admission: LeadAdmission) -> LeadAdmitted:
    return LeadAdmitted(
        customer=make_name("customers", admission.customer_id),
        conversion=make_name("leadConversions", admission.id),
        lead=make_name("leads", admission.lead_id),
        contact=make_name("contacts", admission.contact_id),
        state=state_of(session, admission),
    )
