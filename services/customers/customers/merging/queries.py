"""Reads: the merges into a customer, and the time after which one is for good."""

from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.paging import Page, SortKey
from sqlalchemy import delete, select, update

from customers.model.duplicates import CustomerMerge, MergedRow
from customers.queries import get_customer
from customers.usecases.merge_customers import UNDO_WITHIN

_NEWEST = [
    SortKey(CustomerMerge.create_time, descending=True, nullable=False),
    SortKey(CustomerMerge.id, descending=True, nullable=False),
]


def list_merges(session: ServiceSession, customer_id: UUID, *, page_size: int, page_token: str) -> Page[CustomerMerge]:
    """A page of the merges into a customer, the newest first. Raises NotFound if the caller cannot see it."""
    size = paging.page_size(page_size)
    get_customer(session, customer_id)
    statement = select(CustomerMerge).where(CustomerMerge.customer_id == customer_id)
    mark = paging.fingerprint("customer-merges", str(customer_id))
    return paging.fetch_page(session, statement, _NEWEST, size, page_token, mark)


def forget_old_snapshots(session: ServiceSession) -> None:
    """Forget what it takes to undo merges that can be undone no more. For a timer."""
    old = CustomerMerge.snapshot.is_not(None), CustomerMerge.create_time < session.now - UNDO_WITHIN
    done = session.scalars(update(CustomerMerge).where(*old).values(snapshot=None).returning(CustomerMerge.id)).all()
    session.execute(delete(MergedRow).where(MergedRow.merge_id.in_(done)))
