"""The contacts who take part in plans."""

from collections.abc import Mapping
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import func, update

from leads.model import Plan


def follow_contacts(session: ServiceSession, customer_id: UUID, contacts: Mapping[UUID, UUID]) -> None:
    """Let plans with a customer name the contacts that others of the same customer became one with.

    If the customers part again, they go on to name these: both are the same person.
    """
    for gone, other in contacts.items():
        named = update(Plan).where(Plan.customer_id == customer_id, Plan.contact_ids.contains([gone]))
        replaced = func.array_replace(Plan.contact_ids, gone, other)
        session.execute(named.values(contact_ids=replaced).execution_options(synchronize_session=False))
