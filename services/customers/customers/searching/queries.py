"""Finding customers and contacts by one query."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from chassis import search
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.formats import name_key
from sqlalchemy import Select, func, literal, select, union_all

from customers import queries
from customers.model import Customer, CustomerKind
from customers.searching.reasons import Match, reasons_of_contact, reasons_of_customer

USUAL_HITS = 10
MOST_HITS = 50
MOST_LOOKED_AT = 2_000
"""Hits among which the newest are found. Without it, the planner walks all records by age where it takes a word for a
common one that is none. Customers of the name that was typed are looked for by themselves."""
MOST_NAMED = 200
"""Of each kind, the customers that are looked at because their name begins with what was typed."""


class Hit(NamedTuple):
    """A record that was found."""

    row: Any
    matches: Sequence[Match]


class Found(NamedTuple):
    """What was found."""

    customers: Sequence[Hit]
    contacts: Sequence[Hit]
    more_customers: bool
    more_contacts: bool


def search_records(session: ServiceSession, query: str, limit: int) -> Found:
    """The customers and contacts that hold every word of a query: those of that name, then those whose name begins with
    it, then the newest. Companies are found by their contacts as well.

    Raises Invalid REQUIRED, SEARCH_TOO_LONG or OUT_OF_RANGE.
    """
    if not query.strip():
        raise Invalid("REQUIRED", "say what to search for", field="query")
    if not 0 <= limit <= MOST_HITS:
        raise Invalid("OUT_OF_RANGE", f"ask for at most {MOST_HITS} of each kind", field="limit")
    size = limit or USUAL_HITS
    customers = _customers(session, query, size + 1)
    contacts = _contacts(session, query, size + 1) if session.caller.granted("contact.read") else []
    known = {hit.row.id for hit in customers}
    companies = [key for key in dict.fromkeys(hit.row.customer_id for hit in contacts) if key not in known]
    customers += [Hit(row, [Match.CONTACT]) for row in queries.batch_get_customers(session, companies)]
    return Found(customers[:size], contacts[:size], len(customers) > size, len(contacts) > size)


def _customers(session: ServiceSession, query: str, size: int) -> list[Hit]:
    found = queries.found_by(session, query, field="query")
    statement = queries.CUSTOMERS.where(queries.reach(session, "customer.read"), found)
    hits, key = statement.limit(MOST_LOOKED_AT).subquery(), name_key(query)
    newest = select(hits).order_by(hits.c.update_time.desc(), hits.c.id.desc()).limit(size)
    rows = {row.id: row for row in [*_named(session, statement, key, size), *session.execute(newest)]}
    whole = queries.sees_whole(session)
    return [Hit(row, reasons_of_customer(query, row, whole=whole)) for row in list(rows.values())[:size]]


def _named(session: ServiceSession, statement: Select[Any], key: str, size: int) -> Sequence[Any]:
    """Those of a name, then those whose name begins with it: among the first in the indexes on names, where the name
    itself stands before all that begin with it."""
    first = [
        select(Customer.id)
        .where(Customer.kind == literal(kind, literal_execute=True), Customer.name_key.startswith(key, autoescape=True))
        .order_by(Customer.name_key)
        .limit(MOST_NAMED)
        .subquery()
        for kind in CustomerKind
    ]
    ids = union_all(*[select(each.c.id) for each in first])
    of_name = statement.where(Customer.id.in_(ids)).order_by(
        (Customer.name_key == key).desc(), Customer.update_time.desc(), Customer.id.desc()
    )
    return session.execute(of_name.limit(size)).all()


def _contacts(session: ServiceSession, query: str, size: int) -> list[Hit]:
    """Contacts are looked for by words of which there is an index alone: two Chinese characters, three letters."""
    if not any(map(search.grams, search.words(query))):
        return []
    statement = queries.visible_contacts(session).where(queries.contact_found_by(session, query, field="query"))
    whole = queries.sees_contacts_whole(session)
    hits = statement.limit(MOST_LOOKED_AT).subquery()
    name, typed = func.lower(hits.c.display_name), query.strip().lower()
    order = [(name == typed).desc(), func.starts_with(name, typed).desc(), hits.c.id.desc()]
    rows = session.execute(select(hits).order_by(*order).limit(size))
    return [Hit(row, reasons_of_contact(query, row, whole=whole)) for row in rows]
