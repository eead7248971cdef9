"""The customers that leads have become, as those are merged with others and parted again."""

from collections.abc import Collection, Mapping
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import and_, func, insert, literal, or_, select, update

from leads.model import Lead, MovedRecord

_KIND = Lead.__tablename__


def follow_merge(
    session: ServiceSession, merge_id: UUID, others: Collection[UUID], into: UUID, contacts: Mapping[UUID, UUID]
) -> None:
    """Let the leads that became some customers have become the one that these became one with. `contacts` says which
    one each contact that is no more became one with."""
    theirs = Lead.converted_customer_id.in_(others)
    # Contacts of the one that stays are made one as well, with those of the others.
    concerned = or_(theirs, Lead.converted_contact_id.in_(contacts))
    columns = (literal(merge_id), literal(_KIND), Lead.id, Lead.converted_customer_id, Lead.converted_contact_id)
    moved = select(*columns).where(concerned).order_by(Lead.id).with_for_update()
    names = ["merge_id", "kind", "record_id", "customer_id", "contact_id"]
    session.execute(insert(MovedRecord).from_select(names, moved))
    for statement in (
        update(Lead).where(theirs).values(converted_customer_id=into),
        *(
            update(Lead).where(Lead.converted_contact_id == gone).values(converted_contact_id=other)
            for gone, other in contacts.items()
        ),
    ):
        session.execute(statement.execution_options(synchronize_session=False))


def undo_merge(session: ServiceSession, merge_id: UUID) -> None:
    """Let leads have become the customers again that they became before a merge. Call before its rows are forgotten."""
    mine = and_(MovedRecord.merge_id == merge_id, MovedRecord.kind == _KIND, MovedRecord.record_id == Lead.id)
    # A row of an earlier version names no contact; that one stays.
    contact = func.coalesce(MovedRecord.contact_id, Lead.converted_contact_id)
    back = update(Lead).where(mine).values(converted_customer_id=MovedRecord.customer_id, converted_contact_id=contact)
    session.execute(back.execution_options(synchronize_session=False))
