"""Take a person out of what this service holds."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis import audit, custom_fields, outbox
from chassis.custom_values import FieldType
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.personal_data import REDACTED, Finding, Person, Redactor, pseudonym
from sqlalchemy import delete, select, update

from customers.events import CustomerUpdated
from customers.facts import state
from customers.findings import CONTACT, CUSTOMER
from customers.model import (
    ClassificationChange,
    Contact,
    Customer,
    HoldingChange,
    TierLock,
    TimelineEntry,
    TimelineKind,
)
from customers.model.duplicates import CustomerMerge, MergedRow
from customers.own_fields import CONTACT_ENTITY, ENTITY

TIMELINE, MERGE = "timeline_entry", "customer_merge"
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
    _forget_merges(session, [found for found in findings if found.kind == MERGE])


def _erase_customer(session: ServiceSession, customer_id: UUID) -> None:
    customer = session.get(Customer, customer_id, with_for_update=True)
    if customer is None:
        return
    customer.display_name = pseudonym(customer.id)
    customer.phones, customer.emails = [], []
    for column in _TOLD_OF_CUSTOMERS:
        setattr(customer, column, None)
    customer.custom = _impersonal(session, ENTITY, customer.custom)
    customer.keep_identity_number(session.data_keys, None)
    customer.refresh_keys()
    customer.version += 1
    customer.update_time = session.now
    _forget_words(session, customer_id)
    audit.record(session, "customer.erase", customer.name, None, {"version": customer.version})
    changed = ["custom_fields", "display_name", "emails", "phones", "remark"]
    outbox.emit(session, CustomerUpdated(customer.name, customer.version, state(customer), changed))


def _forget_words(session: ServiceSession, customer_id: UUID) -> None:
    """Take out what people said of a customer's holders and tiers."""
    for words in (
        update(HoldingChange).where(HoldingChange.customer_id == customer_id).values(note=""),
        update(ClassificationChange).where(ClassificationChange.customer_id == customer_id).values(reason=""),
        update(TierLock).where(TierLock.customer_id == customer_id).values(reason=""),
    ):
        session.execute(words, execution_options={"synchronize_session": False})


def _erase_contact(session: ServiceSession, contact_id: UUID) -> None:
    contact = session.get(Contact, contact_id, with_for_update=True)
    if contact is None:
        return
    contact.display_name = pseudonym(contact.id)
    contact.phones, contact.emails = [], []
    contact.wechat = contact.remark = contact.job_title = contact.birthday = None
    contact.decision_role = contact.influence = contact.stance = None
    contact.refresh_keys()
    contact.custom = _impersonal(session, CONTACT_ENTITY, contact.custom)
    contact.keep_identity_number(session.data_keys, None)
    contact.version += 1
    contact.update_time = session.now
    audit.record(session, "contact.erase", contact.name, None, {"version": contact.version})


def _impersonal(session: ServiceSession, entity: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of own fields without those that can tell who somebody is."""
    field = custom_fields.CustomField
    types = {row.key: row.type for row in session.execute(select(field.key, field.type).where(field.entity == entity))}
    derived = {key for key, value in values.items() if types.get(key) == FieldType.FORMULA and isinstance(value, str)}
    return {key: value for key, value in values.items() if types.get(key) not in _PERSONAL and key not in derived}


def _redact_timeline(session: ServiceSession, person: Person, findings: Sequence[Finding]) -> None:
    """What was said of the person goes as a whole, elsewhere what tells who it is."""
    anywhere, there = Redactor(person), Redactor(person, names=True)
    own = person.ids("customers")
    for found in findings:
        entry = session.get(TimelineEntry, parse_name("timelineEntries", found.name), with_for_update=True)
        if entry is not None:
            redactor = there if found.about else anywhere
            said = entry.customer_id in own and entry.kind != TimelineKind.OWNER_CHANGED
            entry.summary = REDACTED if said else redactor.text(entry.summary)
            entry.resource, entry.details = redactor.text(entry.resource), redactor.value(entry.details)


def _forget_merges(session: ServiceSession, findings: Sequence[Finding]) -> None:
    """Drop what it takes to take merges back: it is rows as they were, which nobody can put back in part."""
    for found in findings:
        merge = session.get(CustomerMerge, parse_name("customerMerges", found.name), with_for_update=True)
        if merge is not None:
            merge.snapshot = None
            session.execute(delete(MergedRow).where(MergedRow.merge_id == merge.id))
            audit.record(session, "customer_merge.redact", merge.name, None, {"redacted": "snapshot"})
