"""Reads: what a caller may see of customers, contacts and timelines.

Rows for the wire are plain rows, not entities: a list has no use for what the unit of work costs.
"""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import paging, search
from chassis.custom_filters import dynamic_field
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid, NotFound
from chassis.field_rules import may_read
from chassis.filters import FieldRegistry
from chassis.names import make_name
from chassis.paging import Page, SortKey
from chassis.prepared import Prepared
from chassis.sharing import ANY_LEVEL, COLLABORATION, Reachable
from sqlalchemy import ColumnElement, Select, Uuid, and_, any_, bindparam, func, literal, or_, select, true, union_all
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from customers.fields import CONTACT_FIELDS, CUSTOMER_FIELDS
from customers.model import Contact, Customer, TimelineEntry, TimelineKind
from customers.model.duplicates import MergedCustomer
from customers.model.identity_numbers import PURPOSE
from customers.own_fields import CONTACT_ENTITY, ENTITY
from customers.timeline import EVERYTHING, Narrowing

MAX_BATCH = 200

_CREDIT_CODE = re.compile("[0-9A-Z]{18}")
_IDENTITY_NUMBER = re.compile("[0-9]{17}[0-9X]|[A-Z]{1,3}[0-9]{6,10}")
_KEPT_INSIDE = {"name_key", "search_text", "grams", "identity_number_sealed", "identity_number_index"}
_TABLE = Customer.__table__
CUSTOMERS = select(*[column for column in _TABLE.columns if column.key not in _KEPT_INSIDE])
# Made once: to make a statement and find it in SQLAlchemy's cache costs more than to run it.
_ONE_CUSTOMER = Prepared(CUSTOMERS.where(_TABLE.c.id == bindparam("id")))
_SOME_CUSTOMERS = CUSTOMERS.where(_TABLE.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
_CONTACTS = select(*[column for column in Contact.__table__.columns if column.key not in _KEPT_INSIDE])
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
        "purchase.read": ANY_LEVEL,
        "customer.update": COLLABORATION,
        "contact.create": COLLABORATION,
        "contact.update": COLLABORATION,
        "follow_up.create": COLLABORATION,
        "interaction.record": COLLABORATION,
    },
)
"""Which customers a caller reaches, follow-ups included, which are reached by their customers elsewhere. Deleting,
giving away and sharing are opened by no share."""
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
    if not REACHABLE.reaches(session, "customer.read", *_place(row)):
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
    if row is None or not REACHABLE.reaches(session, "customer.read", *_place(row)):
        return no_customer()
    name = make_name("customers", into)
    return NotFound("CUSTOMER_MERGED", f"this customer was merged into {name}: ask for that one", merged_into=name)


def any_customer(session: ServiceSession, customer_id: UUID) -> Any:
    """A customer as a row, whoever asks; None if there is none. For callers that judge by themselves."""
    return _ONE_CUSTOMER.first(session, id=customer_id)


def rows_of(session: ServiceSession, ids: Sequence[UUID]) -> list[Any]:
    """Customers as rows, in the order asked. For callers that judge by themselves."""
    rows = {row.id: row for row in session.connection().execute(_SOME_CUSTOMERS, {"ids": list(ids)})}
    return [rows[key] for key in ids if key in rows]


def batch_get_customers(session: ServiceSession, ids: Sequence[UUID]) -> list[Any]:
    """Those of the customers that exist and are visible, as rows, each once, in the order asked."""
    if len(ids) > MAX_BATCH:
        raise Invalid("TOO_MANY_NAMES", f"ask for at most {MAX_BATCH} customers at once", field="names")
    scope = session.caller.scope("customer.read")
    rows = {row.id: row for row in session.connection().execute(_SOME_CUSTOMERS, {"ids": list(ids)})}
    found = {key: row for key, row in rows.items() if scope.reaches(row.owner_id, row.owner_department_path)}
    found |= {key: rows[key] for key in REACHABLE.shared(session, "customer.read", rows.keys() - found.keys())}
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
        place = _place(row) if row is not None else None
        raise REACHABLE.refusal(session, permission, read, place, missing or no_customer())
    return customer


def refusal_of(session: ServiceSession, permission: str, row: Any | None) -> DomainError:
    """What a change of a customer is refused with that a permission does not reach; None if there is no such row."""
    return REACHABLE.refusal(
        session, permission, "customer.read", _place(row) if row is not None else None, no_customer()
    )


def _place(row: Any) -> tuple[UUID, UUID | None, str | None]:
    return row.id, row.owner_id, row.owner_department_path


def listed(
    session: ServiceSession, conditions: Any, query: str, permission: str = "customer.read"
) -> ColumnElement[bool]:
    """What a list, a count and an export of customers alike are made of."""
    return and_(
        reach(session, permission),
        registry(session).where(conditions, caller=session.caller),
        _found_by(session, query),
    )


def _found_by(session: ServiceSession, query: str) -> ColumnElement[bool]:
    caller, code = session.caller, query.strip().upper()
    person = _bearing_identity_number(session, code)
    if _CREDIT_CODE.fullmatch(code) and may_read(caller, ENTITY, "credit_code"):
        return or_(Customer.credit_code == code, *person)
    # Whoever does not see whole numbers and addresses must not find out by their parts either.
    whole = may_read(caller, ENTITY, "phones") and may_read(caller, ENTITY, "emails")
    within = None if whole else search.public_part(Customer.search_text, Customer.display_name)
    return or_(search.matches(query, Customer.grams, Customer.search_text, within=within), *person) if code else true()


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
    session: ServiceSession, *, conditions: Any, query: str, order_by: Sequence[Any], page_size: int, page_token: str
) -> Page[Any]:
    """A page of customers as rows."""
    size = paging.page_size(page_size)
    keys = registry(session).order(order_by, [_NEWEST], _BY_ID, caller=session.caller)
    statement = CUSTOMERS.where(listed(session, conditions, query))
    mark = paging.fingerprint("customers", conditions, query, order_by)
    return paging.fetch_page(session, statement, keys, size, page_token, mark)


def count_customers(session: ServiceSession, *, conditions: Any, query: str) -> int:
    """How many customers a list shows over all pages."""
    return session.scalar(select(func.count()).select_from(Customer).where(listed(session, conditions, query))) or 0


def list_timeline(
    session: ServiceSession,
    customer_id: UUID,
    *,
    kinds: Sequence[str],
    narrowing: Narrowing = EVERYTHING,
    page_size: int,
    page_token: str,
) -> Page[Any]:
    """A page of what happened with a customer, newest first, as rows. Raises NotFound like `get_customer`."""
    _require_customer(session, customer_id)
    return timeline_of_visible(
        session, customer_id, kinds=kinds, narrowing=narrowing, page_size=page_size, page_token=page_token
    )


def timeline_of_visible(
    session: ServiceSession,
    customer_id: UUID,
    *,
    kinds: Sequence[str] = (),
    narrowing: Narrowing = EVERYTHING,
    page_size: int,
    page_token: str = "",
) -> Page[Any]:
    """The same for a customer that the caller is known to see."""
    size = paging.page_size(page_size)
    entries = union_all(_stored_entries(customer_id, kinds), _creation(customer_id, kinds)).subquery("entry")
    keys = [SortKey(entries.c[key], descending=True, nullable=False) for key in ("occur_time", "id")]
    mark = paging.fingerprint("timeline", str(customer_id), *kinds, narrowing.mark)
    statement = select(*entries.c).where(narrowing.met(entries.c))
    return paging.fetch_page(session, statement, keys, size, page_token, mark)


def get_contact(session: ServiceSession, contact_id: UUID) -> Any:
    """A contact as a row. Raises NotFound if there is none that the caller may see."""
    row = session.execute(
        _CONTACTS.join(Customer).where(Contact.id == contact_id, reach(session, "contact.read"))
    ).first()
    if row is None:
        raise no_contact()
    return row


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
    statement = _CONTACTS.join(Customer).where(Contact.customer_id.in_(customer_ids), reach(session, "contact.read"))
    if conditions is not None:
        statement = statement.where(contact_registry(session).where(conditions, caller=session.caller))
    keys = [
        SortKey(Contact.customer_id, nullable=False),
        SortKey(Contact.is_primary, descending=True, nullable=False),
        SortKey(Contact.id, nullable=False),
    ]
    mark = paging.fingerprint("contacts", conditions or "", *map(str, customer_ids))
    return paging.fetch_page(session, statement, keys, size, page_token, mark)


def registry(session: ServiceSession) -> FieldRegistry:
    """The fields of customers, the company's own included."""
    return FieldRegistry(
        CUSTOMER_FIELDS,
        dynamic=lambda name: dynamic_field(session, ENTITY, name, Customer.custom),
        entity=ENTITY,
    )


def contact_registry(session: ServiceSession) -> FieldRegistry:
    """The fields of contacts, the company's own included, as far as the caller may read them."""
    return FieldRegistry(
        CONTACT_FIELDS,
        dynamic=lambda name: dynamic_field(session, CONTACT_ENTITY, name, Contact.custom),
        entity=CONTACT_ENTITY,
    )


def _require_customer(session: ServiceSession, customer_id: UUID) -> None:
    statement = select(Customer.id).where(Customer.id == customer_id, reach(session, "customer.read"))
    if session.scalar(statement) is None:
        raise no_customer()


def _stored_entries(customer_id: UUID, kinds: Sequence[str]) -> Select[Any]:
    wanted = TimelineEntry.kind.in_(kinds) if kinds else true()
    return select(*TimelineEntry.__table__.columns).where(TimelineEntry.customer_id == customer_id, wanted)


def _creation(customer_id: UUID, kinds: Sequence[str]) -> Select[Any]:
    """The entry that every customer begins with. It is no row of its own, since there is one for each customer."""
    wanted = literal(not kinds or TimelineKind.CUSTOMER_CREATED in kinds)
    return select(
        Customer.id,
        Customer.id.label("customer_id"),
        literal(str(TimelineKind.CUSTOMER_CREATED)).label("kind"),
        literal("customers").label("source"),
        literal(f"customers/{customer_id}").label("resource"),
        Customer.creator.label("actor"),
        Customer.display_name.label("summary"),
        literal({}, JSONB).label("details"),
        Customer.create_time.label("occur_time"),
    ).where(Customer.id == customer_id, wanted)


def no_customer() -> NotFound:
    """The refusal of a customer that does not exist or cannot be seen, which are told alike."""
    return NotFound("CUSTOMER_NOT_FOUND", "there is no such customer, or you may not see it")


def no_contact() -> NotFound:
    """The refusal of a contact that does not exist or cannot be seen, which are told alike."""
    return NotFound("CONTACT_NOT_FOUND", "there is no such contact, or you may not see it")
