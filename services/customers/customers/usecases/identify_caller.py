"""Say whose the number of a call is."""

from chassis import outbox
from chassis.db import ServiceSession
from chassis.names import make_name
from chassis.search import matches
from sqlalchemy import select, union

from customers.events import CallerIdentified
from customers.model import Contact, Customer

MOST = 20
"""A number that more have is a switchboard, which tells nobody."""


def identify_caller(session: ServiceSession, call: str, phone: str) -> None:
    """Tell which customers have a number, or have a contact that has it. Nothing is told if none has, or too many."""
    theirs = select(Customer.id).where(
        matches(phone, Customer.grams, Customer.search_text), Customer.phones.any_() == phone
    )
    of_contacts = select(Contact.customer_id).where(
        matches(phone, Contact.grams, Contact.search_text), Contact.phones.any_() == phone
    )
    found = session.scalars(union(theirs, of_contacts).limit(MOST + 1)).all()
    if 0 < len(found) <= MOST:
        outbox.emit(session, CallerIdentified(call, [make_name("customers", key) for key in sorted(found)]))
