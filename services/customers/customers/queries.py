"""Reads: what a caller may see of customers and contacts. For timelines see `customers.timeline_queries`.

Rows for the wire are plain rows, not entities: a list has no use for what the unit of work costs.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from chassis import paging, search
from chassis.custom_filters import dynamic_field
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid, NotFound
from chassis.field_rules import may_read
from chassis.filters import Field, FieldRegistry
from chassis.frequencies import FrequentValues
from chassis.names import make_name
from chassis.paging import Page, SortKey
from chassis.prepared import Prepared
from chassis.sharing import ANY_LEVEL, COLLABORATION, Place, Reachable
from sqlalchemy import ColumnElement, Select, Uuid, and_, any_, bindparam, func, literal, or_, select, true, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from customers.dynamic_fields import insight_field, is_insight, record_field
from customers.fields import CONTACT_FIELDS, CUSTOMER_FIELDS
from customers.model import Contact, Customer
from customers.model.duplicates import MergedCustomer
from customers.model.identity_numbers import PURPOSE
from customers.own_fields import CONTACT_ENTITY, ENTITY
from customers.theatres.following import FOLLOWERS

MAX_BATCH = 200
PURCHASES = "purchase.read"
"""What it takes to see what customers bought."""

_CREDIT_CODE = re.compile("[0-9A-Z]{2}[0-9]{6}[0-9A-Z]{10}")
_IDENTITY_NUMBER = re.compile("[0-9]{17}[0-9X]|[A-Z]{1,3}[0-9]{6,10}")
_MOST_BY_CONTACTS = 1_000
"""How many contacts bring their customers into a list that is searched."""
_KEPT_INSIDE = {"name_key", "search_text", "grams", "identity_number_sealed", "identity_number_index"}
_TABLE = Customer.__table__
CUSTOMERS = select(*[column for column in _TABLE.columns if column.key not in _KEPT_INSIDE])
# Made once: to make a statement and find it in SQLAlchemy's cache costs more than to run it.
_ONE_CUSTOMER = Prepared(CUSTOMERS.where(_TABLE.c.id == bindparam("id")))
_SOME_CUSTOMERS = Prepared(CUSTOMERS.where(_TABLE.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))))
CONTACTS = select(*[column for column in Contact.__table__.columns if column.key not in _KEPT_INSIDE])
REACHABLE = Reachable(
    entity=ENTITY,
    id=Customer.id,
    owner=Customer.owner_id,
    department_path=Customer.owner_department_path,
    opened={
        "customer.read": ANY_LEVEL,
        "customer.export": ANY_LEVEL,
        "contact.read": ANY_LEVEL,
        "follow_up.read": ANY_LEVEL,
        PURCHASES: ANY_LEVEL,
        "customer.update": COLLABORATION,
        "contact.create": COLLABORATION,
        "contact.update": COLLABORATION,
        "follow_up.create": COLLABORATION,
        "interaction.record": COLLABORATION,
    },
    followers=FOLLOWERS,
)
"""Which customers a caller reaches, follow-ups included, which are reached by their customers elsewhere. Deleting,
giving away and sharing are opened by no share, nor by following beside the owner."""
BY_OWNER = replace(REACHABLE, followers=None)
"""The same by owner or share alone."""
_FREQUENT_GRAMS = FrequentValues("customer", "grams")
_NEWEST = SortKey(Customer.update_time, descending=True, nullable=False)
_BY_ID = SortKey(Customer.id, descending=True, nullable=False)


def reach(session: ServiceSession, permission: str) -> ColumnElement[bool]:
    """The customers that the caller reaches with a permission, by data scope or share."""
    return REACHABLE.reach(session, permission)


def get_customer(session: ServiceSession, customer_id: UUID) -> Any:
    """A customer as a row. Raises NotFound if there is none that the caller may see."""
    row = _ONE_CUSTOMER.first(session, id=customer_id)
    if row is None:
        raise _absent(session, customer_id)
    if not REACHABLE.reaches(session, "customer.read", *place_of(row)):
        raise no_customer()
    return row


def merged_into(session: ServiceSession, customer_id: UUID) -> UUID | None:
    """The customer that another became one with, by however many merges."""
    into = customer_id
    while found := session.scalar(select(MergedCustomer.customer_id).where(MergedCustomer.id == into)):
        into = found
    return into if into != customer_id else None


def _absent(session: ServiceSession, customer_id: UUID) -> NotFound:
    """The refusal of a customer that is not there. Whoever may read what it was merged into is told of that."""
    into = merged_into(session, customer_id)
    row = _ONE_CUSTOMER.first(session, id=into) if into is not None else None
    if row is None or not REACHABLE.reaches(session, "customer.read", *place_of(row)):
        return no_customer()
    name = make_name("customers", into)
    return NotFound("CUSTOMER_MERGED", f"this customer was merged into {name}: ask for that one", merged_into=name)


def any_customer(session: ServiceSession, customer_id: UUID) -> Any:
    """A customer as a row, whoever asks; None if there is none. For callers that judge by themselves."""
    return _ONE_CUSTOMER.first(session, id=customer_id)


def rows_of(session: ServiceSession, ids: Sequence[UUID]) -> list[Any]:
    """Customers as rows, in the order asked. For callers that judge by themselves."""
    rows = {row.id: row for row in _SOME_CUSTOMERS.all(session, ids=list(ids))}
    return [rows[key] for key in ids if key in rows]


def batch_get_customers(session: ServiceSession, ids: Sequence[UUID]) -> list[Any]:
    """Those of the customers that exist and are visible, as rows, each once, in the order asked."""
    if len(ids) > MAX_BATCH:
        raise Invalid("TOO_MANY_NAMES", f"ask for at most {MAX_BATCH} customers at once", field="names")
    scope = session.caller.scope("customer.read")
    rows = {row.id: row for row in _SOME_CUSTOMERS.all(session, ids=list(ids))}
    found = {key: row for key, row in rows.items() if scope.reaches(row.owner_id, row.owner_department_path)}
    found |= {key: rows[key] for key in REACHABLE.opened_to(session, "customer.read", rows.keys() - found.keys())}
    return [found[key] for key in dict.fromkeys(ids) if key in found]


def lock_customer(
    session: ServiceSession,
    customer_id: UUID,
    permission: str,
    *,
    read: str = "customer.read",
    missing: DomainError | None = None,
) -> Customer:
    """A customer, locked for a change with a permission.

    Raises Denied NOT_YOURS if the permission does not reach it, though `read` does; else `missing`, by default the
    NotFound of customers.
    """
    statement = select(Customer).where(Customer.id == customer_id, reach(session, permission))
    customer: Customer | None = session.scalars(statement.with_for_update()).first()
    if customer is None:
        row = _ONE_CUSTOMER.first(session, id=customer_id)
        place = place_of(row) if row is not None else None
        raise REACHABLE.refusal(session, permission, read, place, missing or no_customer())
    return customer


def refusal_of(
    session: ServiceSession, permission: str, row: Any | None, missing: DomainError | None = None
) -> DomainError:
    """What a change of a customer is refused with that a permission does not reach; None if there is no such row."""
    place = place_of(row) if row is not None else None
    return REACHABLE.refusal(session, permission, "customer.read", place, missing or no_customer())


def place_of(row: Any) -> Place:
    """By what a customer, given as a row, is reached."""
    return row.id, row.owner_id, row.owner_department_path


def listed(
    session: ServiceSession,
    conditions: Any,
    query: str,
    permission: str = "customer.read",
    *,
    frequent: Set[int] = frozenset(),
) -> ColumnElement[bool]:
    """What a list, a count and an export of customers alike are made of. `frequent` is that of `search.matches`."""
    return and_(
        reach(session, permission),
        registry(session).where(conditions, caller=session.caller),
        or_(found_by(session, query, frequent=frequent), *_found_by_contacts(session, query)),
    )


def sees_whole(session: ServiceSession) -> bool:
    """Whether the caller sees customers' phone numbers and e-mail addresses as they are."""
    return may_read(session.caller, ENTITY, "phones") and may_read(session.caller, ENTITY, "emails")


def found_by(
    session: ServiceSession, query: str, *, field: str = "search", frequent: Set[int] = frozenset()
) -> ColumnElement[bool]:
    """Whether a customer is found by a query, as far as the caller may know. The empty query finds all.

    Raises Invalid SEARCH_TOO_LONG for the field of the request.
    """
    caller, code = session.caller, query.strip().upper()
    person = _bearing_identity_number(session, code)
    if _CREDIT_CODE.fullmatch(code) and may_read(caller, ENTITY, "credit_code"):
        return or_(Customer.credit_code == code, *person)
    # Whoever does not see whole numbers and addresses must not find out by their parts either.
    within = None if sees_whole(session) else search.public_part(Customer.search_text, Customer.display_name)
    matches = search.matches(query, Customer.grams, Customer.search_text, within=within, field=field, frequent=frequent)
    return or_(matches, *person) if code else true()


def contact_found_by(session: ServiceSession, query: str, *, field: str = "search") -> ColumnElement[bool]:
    """Whether a contact is found by a query, as far as the caller may know. Raises Invalid SEARCH_TOO_LONG."""
    within = None if sees_contacts_whole(session) else search.public_part(Contact.search_text)
    return search.matches(query, Contact.grams, Contact.search_text, within=within, field=field)


def sees_contacts_whole(session: ServiceSession) -> bool:
    """Whether the caller sees contacts' phone numbers and e-mail addresses as they are."""
    return all(may_read(session.caller, CONTACT_ENTITY, field) for field in ("phones", "emails"))


def _found_by_contacts(session: ServiceSession, query: str) -> list[ColumnElement[bool]]:
    """Whether a customer has a contact that the caller may see and a query finds.

    Their customers are looked up first: as a part of the list's statement, the planner would read all customers for
    them.
    """
    if not any(map(search.grams, search.words(query))) or not session.caller.granted("contact.read"):
        return []
    found = select(Contact.customer_id).where(contact_found_by(session, query))
    if not session.caller.scope("contact.read").everything:
        found = found.join(Customer, Customer.id == Contact.customer_id).where(reach(session, "contact.read"))
    owners = sorted(set(session.scalars(found.limit(_MOST_BY_CONTACTS))))
    return [Customer.id == any_(literal(owners, ARRAY(Uuid)))] if owners else []


def _bearing_identity_number(session: ServiceSession, number: str) -> list[ColumnElement[bool]]:
    """The persons of an identity number and the companies that they are contacts of, for those who may see it whole."""
    if not _IDENTITY_NUMBER.fullmatch(number) or not session.caller.granted("personal_data.read"):
        return []
    if not session.data_keys.present:
        return []
    digests = session.data_keys.blind_indexes(number, PURPOSE)
    bearers = union_all(
        select(Customer.id).where(Customer.identity_number_index.in_(digests)),
        select(Contact.customer_id).where(Contact.identity_number_index.in_(digests)),
    )
    return [and_(Customer.id.in_(bearers), reach(session, "personal_data.read"))]


def select_customers(
    session: ServiceSession, conditions: Any, query: str, *, permission: str = "customer.read"
) -> Select[Customer]:
    """The customers that a list shows over all pages, in no order."""
    return select(Customer).where(listed(session, conditions, query, permission))


def list_customers(
    session: ServiceSession,
    *,
    conditions: Any,
    query: str,
    order_by: Sequence[Any],
    page_size: int,
    page_token: str,
    columns: frozenset[str] | None = None,
) -> Page[Any]:
    """A page of customers as rows, of some columns alone if any are named."""
    size = paging.page_size(page_size)
    keys = registry(session).order(order_by, [_NEWEST], _BY_ID, caller=session.caller)
    frequent = _FREQUENT_GRAMS.of(session) if query else frozenset()
    wanted = CUSTOMERS if columns is None else _select_columns(columns)
    statement = wanted.where(listed(session, conditions, query, frequent=frequent))
    mark = paging.fingerprint("customers", conditions, query, order_by)
    return paging.fetch_page(session, statement, keys, size, page_token, mark)


@lru_cache(1000)
def _select_columns(names: frozenset[str]) -> Select[Any]:
    return select(*[column for column in _TABLE.columns if column.key in names])


def count_customers(session: ServiceSession, *, conditions: Any, query: str) -> int:
    """How many customers a list shows over all pages."""
    return session.scalar(select(func.count()).select_from(Customer).where(listed(session, conditions, query))) or 0


def get_contact(session: ServiceSession, contact_id: UUID) -> Any:
    """A contact as a row. Raises NotFound if there is none that the caller may see."""
    row = session.execute(visible_contacts(session).where(Contact.id == contact_id)).first()
    if row is None:
        raise no_contact()
    return row


def visible_contacts(session: ServiceSession) -> Select[Any]:
    """The contacts that the caller may see, as rows, together with their customers."""
    return CONTACTS.join(Customer).where(reach(session, "contact.read"))


def batch_get_contacts(session: ServiceSession, ids: Sequence[UUID]) -> list[Any]:
    """Those of the contacts that exist and are visible, as rows, each once, in the order asked."""
    if len(ids) > MAX_BATCH:
        raise Invalid("TOO_MANY_NAMES", f"ask for at most {MAX_BATCH} contacts at once", field="names")
    found = {row.id: row for row in session.execute(visible_contacts(session).where(Contact.id.in_(ids)))}
    return [found[key] for key in dict.fromkeys(ids) if key in found]


def lock_contact(session: ServiceSession, contact_id: UUID, permission: str) -> Contact:
    """A contact, locked for a change together with its customer. Raises Denied NOT_YOURS or NotFound."""
    customer_id = session.scalar(select(Contact.customer_id).where(Contact.id == contact_id))
    if customer_id is None:
        raise no_contact()
    lock_customer(session, customer_id, permission, read="contact.read", missing=no_contact())
    contact = session.get(Contact, contact_id, with_for_update=True)
    if contact is None:
        raise no_contact()
    return contact


def list_contacts(
    session: ServiceSession, customer_ids: Sequence[UUID], *, conditions: Any = None, page_size: int, page_token: str
) -> Page[Any]:
    """A page of the contacts of some customers as rows, the primary one of each first."""
    size = paging.page_size(page_size)
    if not 1 <= len(customer_ids) <= MAX_BATCH:
        raise Invalid("INVALID_CUSTOMERS", f"name from 1 to {MAX_BATCH} customers", field="customers")
    statement = visible_contacts(session).where(Contact.customer_id.in_(customer_ids))
    if conditions is not None:
        statement = statement.where(contact_registry(session).where(conditions, caller=session.caller))
    keys = [
        SortKey(Contact.customer_id, nullable=False),
        SortKey(Contact.is_primary, descending=True, nullable=False),
        SortKey(Contact.id, nullable=False),
    ]
    return paging.fetch_page(session, statement, keys, size, page_token, contacts_mark(customer_ids, conditions))


def contacts_mark(customer_ids: Sequence[UUID], conditions: Any = None) -> str:
    """What the tokens of such a list are marked with."""
    return paging.fingerprint("contacts", conditions or "", *map(str, customer_ids))


def registry(session: ServiceSession) -> FieldRegistry:
    """The fields of customers, the company's own included, and what purchases say as far as the caller may see them."""
    return FieldRegistry(
        CUSTOMER_FIELDS,
        dynamic=lambda name: record_field(session, name) or _insight(session, name),
        entity=ENTITY,
    )


def _insight(session: ServiceSession, name: str) -> Field | None:
    if not is_insight(name):
        return None
    everything = session.caller.scope(PURCHASES).everything
    return insight_field(session, name, None if everything else reach(session, PURCHASES))


def contact_registry(session: ServiceSession) -> FieldRegistry:
    """The fields of contacts, the company's own included, as far as the caller may read them."""
    return FieldRegistry(
        CONTACT_FIELDS,
        dynamic=lambda name: dynamic_field(session, CONTACT_ENTITY, name, Contact.custom),
        entity=CONTACT_ENTITY,
    )


def no_customer() -> NotFound:
    """The refusal of a customer that does not exist or cannot be seen, which are told alike."""
    return NotFound("CUSTOMER_NOT_FOUND", "there is no such customer, or you may not see it")


def no_contact() -> NotFound:
    """The refusal of a contact that does not exist or cannot be seen, which are told alike."""
    return NotFound("CONTACT_NOT_FOUND", "there is no such contact, or you may not see it")
