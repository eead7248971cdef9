"""Delete a customer."""

from uuid import UUID

from chassis import audit, outbox, sharing
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.personal_data import refuse_held
from sqlalchemy import delete, select

from customers.events import CustomerDeleted
from customers.facts import contact_snapshot, marks, snapshot
from customers.findings import set_aside
from customers.holding import forget_holder, lock_held
from customers.model import ClassificationChange, Contact, Customer, TimelineEntry
from customers.model.pools import ChangeKind
from customers.model.purchases import Purchase, PurchaseTotal
from customers.own_fields import ENTITY
from customers.queries import lock_customer
from customers.usecases.end_shares import end_shares_of

_PART = 500
"""How many contacts are held in memory at once."""


def delete_customer(session: ServiceSession, customer_id: UUID, *, etag: str = "") -> None:
    """Delete a customer with its contacts, timeline and purchases. The audit log keeps what they held, and what legal
    holds may still ask for is set aside.

    Raises Conflict LEGAL_HOLD if the data of one of them must be kept.
    """
    customer = lock_customer(session, customer_id, "customer.delete")
    check_etag(etag, customer.version)
    refuse_held(session, {customer.name}, marks(session.data_keys, customer))
    set_aside(session, customer)
    end_shares_of(session, customer_id)
    sharing.forget_record(session, ENTITY, customer_id)
    forget_holder(session, lock_held(session, Customer.id == customer_id)[0], ChangeKind.DELETED)
    audit.record(session, "customer.delete", customer.name, snapshot(customer), None)
    _set_contacts_aside(session, customer_id)
    session.execute(delete(TimelineEntry).where(TimelineEntry.customer_id == customer_id))
    for entity in (Purchase, PurchaseTotal, ClassificationChange):
        session.execute(delete(entity).where(entity.customer_id == customer_id))
    session.execute(delete(Contact).where(Contact.customer_id == customer_id))
    session.execute(delete(Customer).where(Customer.id == customer_id))
    session.expunge(customer)
    outbox.emit(session, CustomerDeleted(customer.name, customer.version))


def _set_contacts_aside(session: ServiceSession, customer_id: UUID) -> None:
    """Keep what the contacts hold that go with their customer, part by part: there is no limit to their number."""
    mine = select(Contact).where(Contact.customer_id == customer_id).order_by(Contact.id)
    for contacts in session.scalars(mine.execution_options(yield_per=_PART)).partitions():
        marked = frozenset().union(*(marks(session.data_keys, contact) for contact in contacts))
        refuse_held(session, {contact.name for contact in contacts}, marked)
        for contact in contacts:
            set_aside(session, contact)
        gone = [audit.Change("contact.delete", contact.name, contact_snapshot(contact), None) for contact in contacts]
        audit.record_all(session, gone)
