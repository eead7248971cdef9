"""How the access to customers and contacts is explained."""

from uuid import UUID

from chassis.db import ServiceSession
from chassis.explaining import Explainer, Place
from sqlalchemy import select

from customers.model import Contact, Customer
from customers.queries import REACHABLE, no_contact, no_customer

_PLACES = select(Customer.id, Customer.owner_id, Customer.owner_department_path)


def _of_customer(session: ServiceSession, customer_id: UUID) -> Place | None:
    row = session.execute(_PLACES.where(Customer.id == customer_id)).first()
    return Place(*row) if row is not None else None


def _of_contact(session: ServiceSession, contact_id: UUID) -> Place | None:
    row = session.execute(_PLACES.join(Contact, Contact.customer_id == Customer.id).where(Contact.id == contact_id))
    found = row.first()
    return Place(*found) if found is not None else None


EXPLAINERS = (
    Explainer(
        collection="customers",
        reachable=REACHABLE,
        permissions=("customer.*", "contact.read", "contact.create", "follow_up.read", "follow_up.create"),
        unrelated=("customer.create", "customer.import"),
        find=_of_customer,
        missing=no_customer,
    ),
    Explainer(
        collection="contacts",
        reachable=REACHABLE,
        permissions=("contact.read", "contact.update", "contact.delete"),
        find=_of_contact,
        missing=no_contact,
    ),
)
