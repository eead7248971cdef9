"""What work is about: a lead, or a customer; who reaches it by that; and what becomes of it when that changes."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid, NotFound
from chassis.field_rules import may_read
from chassis.names import make_name, parse_name
from chassis.scopes import in_scope
from chassis.sharing import ANY_LEVEL, Place, Reachable, not_yours
from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, literal, null, or_, select, update

from leads.lead_queries import ENTITY, no_lead
from leads.lead_queries import reach as lead_reach
from leads.model import CUSTOMER, Base, KnownCustomer, Lead, MovedRecord, OfAssignee, OfSubject
from leads.reachable import Customers
from leads.theatres import FOLLOWERS

COLLECTIONS = ("customers", "leads")
PERSON = "contact_name"
"""The field by which people call a lead without a company. Roles can hide it."""
_READ = {"customers": "customer.read", "leads": "lead.read"}


@dataclass(frozen=True, order=True)
class Subject:
    """A lead or a customer."""

    collection: str
    id: UUID

    @property
    def name(self) -> str:
        """The resource name."""
        return make_name(self.collection, self.id)

    @property
    def columns(self) -> dict[str, UUID | None]:
        """What a row about it holds."""
        return {
            "customer_id": self.id if self.collection == "customers" else None,
            "lead_id": self.id if self.collection == "leads" else None,
        }


def parse_subject(name: str, *, field: str = "subject") -> Subject:
    """The lead or customer of a resource name. Raises Invalid."""
    collection = name.partition("/")[0]
    if collection not in COLLECTIONS:
        raise Invalid("INVALID_SUBJECT", "name a lead or a customer: leads/… or customers/…", field=field)
    return Subject(collection, parse_name(collection, name, field=field))


def of(row: Any) -> Subject:
    """What a row is about."""
    return Subject("customers", row.customer_id) if row.customer_id else Subject("leads", row.lead_id)


def tables(kind: type[Any] = OfSubject) -> list[Any]:
    """The tables whose rows are about a subject, or are somebody's work, in the order of their names."""
    found = (mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, kind))
    return sorted(found, key=lambda table: table.__tablename__)


def require(session: ServiceSession, subject: Subject, permission: str, customers: Customers) -> None:
    """Raise unless the caller may see the subject and reaches it with a permission: NotFound for what they cannot see,
    Denied NOT_YOURS for what they may see and no more."""
    if subject.collection == "leads":
        _require_lead(session, subject.id, permission)
    else:
        _require_customer(session, subject.id, permission, customers)


def _require_lead(session: ServiceSession, lead_id: UUID, permission: str) -> None:
    scope = session.caller.scope(permission)
    statement = select(Lead.owner_id, Lead.owner_department_path).where(
        Lead.id == lead_id, lead_reach(session, "lead.read")
    )
    row = session.execute(statement).first()
    if row is None:
        raise no_lead()
    if not scope.reaches(row.owner_id, row.owner_department_path):
        raise not_yours(permission, row.owner_id)


def _require_customer(session: ServiceSession, customer_id: UUID, permission: str, customers: Customers) -> None:
    place, missing = _place_of(session, customer_id, customers), no_customer()
    reachable = _reachable(permission)
    if place is None or not reachable.reaches(session, "customer.read", *place):
        raise missing
    if not reachable.reaches(session, permission, *place):
        raise reachable.refusal(session, permission, "customer.read", place, missing)


def _place_of(session: ServiceSession, customer_id: UUID, customers: Customers) -> Place | None:
    known = session.get(KnownCustomer, customer_id)
    if known is not None:
        return None if known.deleted else (known.id, known.owner_id, known.owner_department_path)
    # Created a moment ago, and its event still on its way: its own service knows, and whether it can be read.
    owners = customers.owners_of([customer_id])
    if customer_id not in owners:
        return None
    owner_id = owners[customer_id]
    own = owner_id is not None and owner_id == session.caller.user_id
    return customer_id, owner_id, session.caller.department_path or None if own else None


def reach(session: ServiceSession, table: Any, permission: str) -> ColumnElement[bool]:
    """Whether a row of work is reached with a permission: by its assignee, or by what it is about.

    `table` has the columns of OfSubject and OfAssignee. Raises Denied if the permission is not granted.
    """
    scope = session.caller.scope(permission)
    own = in_scope(scope, table.assignee_id, table.assignee_department_path)
    if scope.everything:
        return own
    lead = exists().where(Lead.id == table.lead_id, in_scope(scope, Lead.owner_id, Lead.owner_department_path))
    customer = exists().where(KnownCustomer.id == table.customer_id, reach_customers(session, permission))
    return or_(own, and_(table.customer_id.is_(None), lead), customer)


def reach_customers(session: ServiceSession, permission: str) -> ColumnElement[bool]:
    """Whether a row of `KnownCustomer` is reached with a permission. Raises Denied if it is not granted."""
    return _reachable(permission).reach(session, permission)


def _reachable(permission: str) -> Reachable:
    return Reachable(
        entity=CUSTOMER,
        id=KnownCustomer.id,
        owner=KnownCustomer.owner_id,
        department_path=KnownCustomer.owner_department_path,
        opened={"customer.read": ANY_LEVEL, permission: ANY_LEVEL},
        followers=FOLLOWERS,
    )


def lead_title(session: ServiceSession) -> ColumnElement[str | None]:
    """What people call a lead: the company's name, else the person's, unless the caller's roles hide that."""
    return _lead_title(persons=may_read(session.caller, ENTITY, PERSON))


def _lead_title(*, persons: bool) -> ColumnElement[str | None]:
    return func.coalesce(Lead.company_name, Lead.contact_name if persons else null())


def titles(
    session: ServiceSession, subjects: Iterable[Subject], *, persons: bool | None = None
) -> Mapping[Subject, str]:
    """What people call some subjects. Those that are gone, or not known yet, are left out. `persons`: whether leads
    without a company are called by the person; by default unless the caller's roles hide that."""
    title = lead_title(session) if persons is None else _lead_title(persons=persons)
    by_collection: dict[str, list[UUID]] = {one: [] for one in COLLECTIONS}
    for subject in set(subjects):
        by_collection[subject.collection].append(subject.id)
    found: dict[Subject, str] = {}
    if ids := by_collection["customers"]:
        customers = select(KnownCustomer.id, KnownCustomer.display_name).where(KnownCustomer.id.in_(ids))
        found |= {Subject("customers", row.id): row.display_name for row in session.execute(customers)}
    if ids := by_collection["leads"]:
        leads = select(Lead.id, title.label("title")).where(Lead.id.in_(ids))
        found |= {Subject("leads", row.id): row.title or "" for row in session.execute(leads)}
    return found


def follow_conversion(session: ServiceSession, lead_id: UUID, customer_id: UUID) -> None:
    """Let all work that is about a lead be about the customer that it became."""
    for table in tables():
        _change(
            session,
            update(table).where(table.lead_id == lead_id, table.customer_id.is_(None)).values(customer_id=customer_id),
        )


def follow_lead_merge(session: ServiceSession, other_id: UUID, lead_id: UUID) -> None:
    """Let all work that is about a lead be about the one that it became one with."""
    for table in tables():
        _change(session, update(table).where(table.lead_id == other_id).values(lead_id=lead_id))


def follow_merge(session: ServiceSession, merge_id: UUID, others: Collection[UUID], into: UUID) -> None:
    """Let all work that is about some customers be about the one that they became one with; see `undo_merge`."""
    for table in tables():
        columns = (table.id, table.customer_id)
        moved = select(literal(merge_id), literal(table.__tablename__), *columns).where(table.customer_id.in_(others))
        names = ["merge_id", "kind", "record_id", "customer_id"]
        session.execute(insert(MovedRecord).from_select(names, moved.order_by(table.id).with_for_update()))
        _change(session, update(table).where(table.customer_id.in_(others)).values(customer_id=into))


def undo_merge(session: ServiceSession, merge_id: UUID) -> None:
    """Let the work that a merge moved be about whom it was about before."""
    for table in tables():
        mine = and_(MovedRecord.merge_id == merge_id, MovedRecord.kind == table.__tablename__)
        _change(
            session,
            update(table).where(mine, table.id == MovedRecord.record_id).values(customer_id=MovedRecord.customer_id),
        )
    session.execute(delete(MovedRecord).where(MovedRecord.merge_id == merge_id))


def follow_assignees(session: ServiceSession, users: Collection[UUID], path: str | None) -> None:
    """Reckon the work of some users to the department that they belong to now."""
    for table in tables(OfAssignee):
        _change(
            session,
            update(table)
            .where(table.assignee_id.in_(users), table.assignee_department_path.is_distinct_from(path))
            .values(assignee_department_path=path),
        )


def no_customer() -> DomainError:
    """The refusal of a customer that does not exist or cannot be seen, which are told alike."""
    return NotFound("CUSTOMER_NOT_FOUND", "there is no such customer, or you may not see it")


def _change(session: ServiceSession, statement: Any) -> None:
    session.execute(statement.execution_options(synchronize_session=False))
