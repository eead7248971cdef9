"""Take a person out of what this service holds."""

from collections.abc import Sequence
from uuid import UUID

from chassis import audit, custom_fields, outbox
from chassis.custom_values import FieldType
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.personal_data import Finding, Person, Redactor, pseudonym
from sqlalchemy import select, update

from customers.events import CustomerUpdated
from customers.facts import state
from customers.model import Contact, Customer, HoldingChange, TimelineEntry
from customers.own_fields import ENTITY

CUSTOMER, CONTACT, TIMELINE, REMARK = "customer", "contact", "timeline_entry", "remark"
_PERSONAL = {FieldType.TEXT, FieldType.PHONE, FieldType.EMAIL, FieldType.URL}
"""The types of own fields that can tell who somebody is."""
_TOLD_OF_CUSTOMERS = ("website", "district", "street", "postal_code", "remark", "external_id")


def erase_person(session: ServiceSession, person: Person, findings: Sequence[Finding]) -> None:
    """Take a person out of records. Who held and sold what, amounts, states and times stay."""
    for kind, collection, erase in (
        (CUSTOMER, "customers", _erase_customer),
        (CONTACT, "contacts", _erase_contact),
    ):
        for found in findings:
            if found.kind == kind:
                erase(session, parse_name(collection, found.name))
    _redact_timeline(session, person, [found for found in findings if found.kind == TIMELINE])
    _redact_remarks(session, person, [found for found in findings if found.kind == REMARK])


def _erase_customer(session: ServiceSession, customer_id: UUID) -> None:
    customer = session.get(Customer, customer_id, with_for_update=True)
    if customer is None:
        return
    customer.display_name = pseudonym(customer.id)
    customer.phones, customer.emails = [], []
    for column in _TOLD_OF_CUSTOMERS:
        setattr(customer, column, None)
    personal = _personal_fields(session)
    customer.custom = {key: value for key, value in customer.custom.items() if key not in personal}
    customer.keep_identity_number(session.data_keys, None)
    customer.refresh_keys()
    customer.version += 1
    customer.update_time = session.now
    notes = update(HoldingChange).where(HoldingChange.customer_id == customer_id).values(note="")
    session.execute(notes, execution_options={"synchronize_session": False})
    audit.record(session, "customer.erase", customer.name, None, {"version": customer.version})
    changed = ["custom_fields", "display_name", "emails", "phones", "remark"]
    outbox.emit(session, CustomerUpdated(customer.name, customer.version, state(customer), changed))


def _erase_contact(session: ServiceSession, contact_id: UUID) -> None:
    contact = session.get(Contact, contact_id, with_for_update=True)
    if contact is None:
        return
    contact.display_name = pseudonym(contact.id)
    contact.phones, contact.emails = [], []
    contact.wechat = contact.remark = None
    contact.keep_identity_number(session.data_keys, None)
    contact.version += 1
    contact.update_time = session.now
    audit.record(session, "contact.erase", contact.name, None, {"version": contact.version})


def _personal_fields(session: ServiceSession) -> set[str]:
    fields = select(custom_fields.CustomField.key).where(
        custom_fields.CustomField.entity == ENTITY, custom_fields.CustomField.type.in_(_PERSONAL)
    )
    return set(session.scalars(fields))


def _redact_timeline(session: ServiceSession, person: Person, findings: Sequence[Finding]) -> None:
    anywhere, there = Redactor(person), Redactor(person, names=True)
    for found in findings:
        entry = session.get(TimelineEntry, parse_name("timelineEntries", found.name), with_for_update=True)
        if entry is not None:
            redactor = there if found.about else anywhere
            entry.summary, entry.details = redactor.text(entry.summary), redactor.value(entry.details)


def _redact_remarks(session: ServiceSession, person: Person, findings: Sequence[Finding]) -> None:
    redactor = Redactor(person)
    for found in findings:
        collection = found.name.partition("/")[0]
        one_id = parse_name(collection, found.name)
        one: Contact | Customer | None
        if collection == "contacts":
            one = session.get(Contact, one_id, with_for_update=True)
        else:
            one = session.get(Customer, one_id, with_for_update=True)
        if one is not None and one.remark:
            one.remark = redactor.text(one.remark)
            one.version += 1
            one.update_time = session.now
            audit.record(session, f"{collection[:-1]}.redact", one.name, None, {"version": one.version})
