"""Create a contact."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.custom_records import Judge
from chassis.db import ServiceSession
from chassis.names import new_id
from sqlalchemy import update

from customers import rules
from customers.decisions.lines import judge_contact
from customers.derived import children_changed
from customers.facts import contact_snapshot
from customers.field_templates import lacks, required_fields
from customers.model import Contact
from customers.own_fields import CONTACT_ENTITY
from customers.own_records import CONTACTS, judged, plain_values
from customers.queries import lock_customer


@dataclass(frozen=True)
class NewContact:
    """A contact to create, its fields judged."""

    stored: dict[str, Any]
    custom: dict[str, Any]
    judge: Judge


def create_contact(
    session: ServiceSession,
    customer_id: UUID,
    values: Mapping[str, Any],
    custom_fields: Mapping[str, Any] = MappingProxyType({}),
) -> Contact:
    """Create a contact of a customer from raw values by field, see `rules.CONTACT_RECORD_RULES`.

    Raises Invalid UNKNOWN_SUPERIOR for somebody to report to who is no contact of the customer.
    """
    new = judge_new_contact(session, values, custom_fields)
    lock_customer(session, customer_id, "contact.create")
    return add_contact(session, customer_id, new)


def judge_new_contact(
    session: ServiceSession, values: Mapping[str, Any], custom_fields: Mapping[str, Any]
) -> NewContact:
    """Judge what is stated about a new contact. Raises Invalid, naming every field at fault."""
    stored, faults = rules.apply(rules.CONTACT_RECORD_RULES, {"display_name": "", "primary": False} | dict(values))
    judge = Judge(session, CONTACTS)
    custom, custom_faults = judged(judge, custom_fields, current=None)
    rules.refuse([*faults, *custom_faults, *lacks(required_fields(session, CONTACT_ENTITY, ""), stored, custom)])
    return NewContact(stored, custom, judge)


def add_contact(session: ServiceSession, customer_id: UUID, new: NewContact) -> Contact:
    """Create a contact of a customer, which must be locked or new. Raises Invalid UNKNOWN_SUPERIOR."""
    stored, judge = dict(new.stored), new.judge
    number = stored.pop("identity_number", None)
    empty: dict[str, Any] = {"phones": [], "emails": []}
    contact = Contact(
        id=new_id(),
        customer_id=customer_id,
        **(empty | stored),
        custom=judge.number(new.custom),
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    judge.close()
    contact.custom = judge.derive(contact.custom, plain_values(CONTACTS, contact))
    contact.keep_identity_number(session.data_keys, number)
    contact.refresh_keys()
    judge_contact(session, contact)
    if contact.is_primary:
        demote_others(session, contact)
    session.add(contact)
    session.flush()
    audit.record(session, "contact.create", contact.name, None, contact_snapshot(contact))
    children_changed(session, [customer_id], "contacts")
    return contact


def demote_others(session: ServiceSession, contact: Contact) -> None:
    """Make no other contact of the customer the primary one. The customer must be locked."""
    demoted = session.scalars(
        update(Contact)
        .where(Contact.customer_id == contact.customer_id, Contact.is_primary, Contact.id != contact.id)
        .values(is_primary=False, version=Contact.version + 1, update_time=session.now)
        .returning(Contact)
        .execution_options(populate_existing=True)
    ).all()
    for other in demoted:
        audit.record(session, "contact.update", other.name, {"is_primary": True}, {"is_primary": None})
