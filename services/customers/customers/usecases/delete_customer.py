"""Delete a customer."""

from uuid import UUID

from chassis import audit, outbox, sharing
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.personal_data import refuse_held
from sqlalchemy import delete, select

from customers.events import CustomerDeleted
from customers.facts import contact_snapshot, marks, snapshot
from customers.holding import forget_holder, lock_held
from customers.model import Contact, Customer, TimelineEntry
from customers.model.pools import ChangeKind
from customers.model.purchases import Purchase
from customers.own_fields import ENTITY
from customers.queries import lock_customer
from customers.usecases.end_shares import end_shares_of


def delete_customer(session: ServiceSession, customer_id: UUID, *, etag: str = "") -> None:
    """Delete a customer with its contacts, timeline and purchases. The audit log keeps what they held.

    Raises Conflict LEGAL_HOLD if the data of one of them must be kept.
    """
    customer = lock_customer(session, customer_id, "customer.delete")
    check_etag(etag, customer.version)
    contacts = session.scalars(select(Contact).where(Contact.customer_id == customer_id).order_by(Contact.id)).all()
    persons: list[Customer | Contact] = [customer, *contacts]
    refuse_held(
        session,
        {person.name for person in persons},
        frozenset().union(*(marks(session.data_keys, person) for person in persons)),
    )
    end_shares_of(session, customer_id)
    sharing.forget_record(session, ENTITY, customer_id)
    forget_holder(session, lock_held(session, Customer.id == customer_id)[0], ChangeKind.DELETED)
    audit.record(session, "customer.delete", customer.name, snapshot(customer), None)
    changes = [audit.Change("contact.delete", contact.name, contact_snapshot(contact), None) for contact in contacts]
    audit.record_all(session, changes)
    session.execute(delete(TimelineEntry).where(TimelineEntry.customer_id == customer_id))
    session.execute(delete(Purchase).where(Purchase.customer_id == customer_id))
    session.execute(delete(Contact).where(Contact.customer_id == customer_id))
    session.execute(delete(Customer).where(Customer.id == customer_id))
    session.expunge(customer)
    outbox.emit(session, CustomerDeleted(customer.name, customer.version))
