"""The first pages of what belongs to a customer, as the whole picture shows them, read by prepared queries.

Each says the same, tokens of next pages included, as the list that it is the first page of.
"""

from typing import Any

from chassis import paging
from chassis.db import ServiceSession
from chassis.paging import Page
from chassis.prepared import Prepared
from sqlalchemy import Integer, Uuid, bindparam, select, union_all

from customers import queries
from customers.model import Contact, CustomerTheatre
from customers.own_fields import ENTITY
from customers.theatres.following import FOLLOWERS
from customers.timeline_queries import creation_entry, stored_entries, timeline_mark, timeline_of_visible

_CUSTOMER, _LIMIT = bindparam("customer_id", type_=Uuid), bindparam("limit", type_=Integer)
_CONTACTS = Prepared(
    queries.CONTACTS.where(Contact.customer_id == _CUSTOMER)
    .order_by(Contact.is_primary.desc(), Contact.id)
    .limit(_LIMIT)
)
_ALL_ENTRIES = union_all(stored_entries(_CUSTOMER), creation_entry(_CUSTOMER)).subquery("entry")
_ENTRIES = Prepared(
    select(*_ALL_ENTRIES.c).order_by(_ALL_ENTRIES.c.occur_time.desc(), _ALL_ENTRIES.c.id.desc()).limit(_LIMIT)
)
_FOLLOWED = Prepared(
    select(CustomerTheatre.id).where(CustomerTheatre.customer_id == _CUSTOMER, FOLLOWERS.live).limit(1)
)


def first_contacts(session: ServiceSession, customer: Any, page_size: int) -> Page[Any]:
    """The contacts of a customer, given as a row that the caller sees, the primary one first."""
    size = paging.page_size(page_size)
    if not queries.REACHABLE.reaches(session, "contact.read", *queries.place_of(customer)):
        return Page([], "")
    rows = _CONTACTS.all(session, customer_id=customer.id, limit=size + 1)
    return _page(rows, size, queries.contacts_mark([customer.id]), ("customer_id", "is_primary", "id"))


def first_entries(session: ServiceSession, customer: Any, page_size: int) -> Page[Any]:
    """What happened with a customer, given as a row that the caller sees, newest first."""
    size = paging.page_size(page_size)
    if _differs_by_reader(session, customer):
        return timeline_of_visible(session, customer.id, page_size=page_size)
    rows = _ENTRIES.all(session, customer_id=customer.id, limit=size + 1)
    return _page(rows, size, timeline_mark(customer.id), ("occur_time", "id"))


def _differs_by_reader(session: ServiceSession, customer: Any) -> bool:
    """Whether the caller may not see all entries of a customer's timeline, perhaps."""
    if session.caller.field_rules.get(ENTITY):
        return True
    scope = session.caller.scope("customer.read")
    return not scope.everything and _FOLLOWED.first(session, customer_id=customer.id) is not None


def _page(rows: list[Any], size: int, mark: str, keys: tuple[str, ...]) -> Page[Any]:
    if len(rows) <= size:
        return Page(rows, "")
    after = [getattr(rows[size - 1], key) for key in keys]
    return Page(rows[:size], paging.token_after(after, mark))
