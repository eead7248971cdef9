"""Follow customers that became one, and that are several again."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import delete, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from leads.life import links
from leads.locking import stand_still
from leads.model import FollowUp, KnownCustomer, MergedRecord, MovedFollowUp
from leads.plans.contacts import follow_contacts
from leads.promises import await_acknowledgement
from leads.subjects import follow_merge, undo_merge
from leads.usecases.learn_customers import CustomerFacts, forget_customer, learn_customers


def merge_customers(
    session: ServiceSession,
    merge_id: UUID,
    into: CustomerFacts,
    others: Mapping[UUID, int],
    contacts: Mapping[UUID, UUID],
) -> None:
    """Give the follow-ups and work of customers to the one that they became one with, and remember whose they were.

    `others` says the last version of each, `contacts` which one each contact that is no more became one with.
    """
    stand_still(session)
    # Customers first, see `leads.locking`: a conversion that ends at the same time is before this, or after it.
    for customer_id, version in sorted(others.items()):
        forget_customer(session, customer_id, version)
    learn_customers(session, [into])
    gone = {**dict.fromkeys(others, into.id), **contacts}
    rows = [{"merge_id": merge_id, "record_id": key, "into_id": other} for key, other in gone.items()]
    if rows:
        session.execute(insert(MergedRecord).on_conflict_do_nothing(), rows)
    _move(session, merge_id, others, into.id, contacts)
    await_acknowledgement(session, [into.id])


def catch_up(session: ServiceSession, customer_id: UUID, contact_id: UUID | None) -> UUID:
    """Let what has just come to be about a customer, who must be locked, go where the customer has gone by merges
    since. Returns whom it is about now. If a merge is undone, it comes back with the rest."""
    while (merged := _merged(session, customer_id)) is not None:
        united = _merged(session, contact_id) if contact_id is not None else None
        contacts = {contact_id: united.into_id} if contact_id is not None and united is not None else {}
        _move(session, merged.merge_id, [customer_id], merged.into_id, contacts)
        customer_id, contact_id = merged.into_id, contacts.get(contact_id, contact_id) if contact_id else None
    return customer_id


def _merged(session: ServiceSession, record_id: UUID) -> MergedRecord | None:
    return session.scalars(select(MergedRecord).where(MergedRecord.record_id == record_id)).first()


def _move(
    session: ServiceSession,
    merge_id: UUID,
    others: Collection[UUID],
    into_id: UUID,
    contacts: Mapping[UUID, UUID],
) -> None:
    """Give what is about some customers to the one that they became one with, and remember whose it was."""
    concerned = or_(FollowUp.customer_id.in_(others), FollowUp.contact_id.in_(contacts))
    columns = (FollowUp.id, FollowUp.customer_id, FollowUp.contact_id)
    moved = select(literal(merge_id), *columns).where(concerned).order_by(FollowUp.id).with_for_update()
    session.execute(insert(MovedFollowUp).from_select(["merge_id", "follow_up_id", "customer_id", "contact_id"], moved))
    _change(session, update(FollowUp).where(FollowUp.customer_id.in_(others)).values(customer_id=into_id))
    for gone, other in contacts.items():
        _change(session, update(FollowUp).where(FollowUp.contact_id == gone).values(contact_id=other))
    follow_merge(session, merge_id, others, into_id)
    links.follow_merge(session, merge_id, others, into_id, contacts)
    follow_contacts(session, into_id, contacts)


def unmerge_customers(
    session: ServiceSession, merge_id: UUID, winner: CustomerFacts, others: Sequence[CustomerFacts]
) -> None:
    """Give back what was moved for a merge, and know the customers again."""
    stand_still(session)
    ids = [one.id for one in others]
    session.execute(
        update(KnownCustomer)
        .where(KnownCustomer.id.in_(ids), KnownCustomer.deleted)
        .values(deleted=False)
        .execution_options(synchronize_session=False)
    )
    learn_customers(session, [winner, *others])
    mine = MovedFollowUp.merge_id == merge_id
    _change(
        session,
        update(FollowUp)
        .where(mine, FollowUp.id == MovedFollowUp.follow_up_id)
        .values(customer_id=MovedFollowUp.customer_id, contact_id=MovedFollowUp.contact_id),
    )
    session.execute(delete(MovedFollowUp).where(mine))
    session.execute(delete(MergedRecord).where(MergedRecord.merge_id == merge_id))
    links.undo_merge(session, merge_id)
    undo_merge(session, merge_id)


def _change(session: ServiceSession, statement: object) -> None:
    session.execute(statement.execution_options(synchronize_session=False))  # type: ignore[attr-defined]
