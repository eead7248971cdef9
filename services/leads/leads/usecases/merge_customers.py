"""Follow customers that became one, and that are several again."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import delete, insert, literal, or_, select, update

from leads.model import FollowUp, KnownCustomer, MovedFollowUp
from leads.usecases.learn_customers import CustomerFacts, forget_customer, learn_customers


def merge_customers(
    session: ServiceSession,
    merge_id: UUID,
    into: CustomerFacts,
    others: Mapping[UUID, int],
    contacts: Mapping[UUID, UUID],
) -> None:
    """Give the follow-ups of customers to the one that they became one with, and remember whose they were.

    `others` says the last version of each, `contacts` which one each contact that is no more became one with.
    """
    concerned = or_(FollowUp.customer_id.in_(others), FollowUp.contact_id.in_(contacts))
    columns = (FollowUp.id, FollowUp.customer_id, FollowUp.contact_id)
    moved = select(literal(merge_id), *columns).where(concerned).order_by(FollowUp.id).with_for_update()
    session.execute(insert(MovedFollowUp).from_select(["merge_id", "follow_up_id", "customer_id", "contact_id"], moved))
    _change(session, update(FollowUp).where(FollowUp.customer_id.in_(others)).values(customer_id=into.id))
    for gone, other in contacts.items():
        _change(session, update(FollowUp).where(FollowUp.contact_id == gone).values(contact_id=other))
    for customer_id, version in sorted(others.items()):
        forget_customer(session, customer_id, version)
    learn_customers(session, [into])


def unmerge_customers(
    session: ServiceSession, merge_id: UUID, winner: CustomerFacts, others: Sequence[CustomerFacts]
) -> None:
    """Give back what was moved for a merge, and know the customers again."""
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


def _change(session: ServiceSession, statement: object) -> None:
    session.execute(statement.execution_options(synchronize_session=False))  # type: ignore[attr-defined]
