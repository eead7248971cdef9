"""Reads: scans and the groups that they found."""

from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, and_, exists, not_, select

from customers.model import Customer
from customers.model.duplicates import DuplicateGroup, DuplicateMember, GroupState
from customers.queries import reach

MERGE = "customer.merge"
_ORDER = [
    SortKey(DuplicateGroup.score, descending=True, nullable=False),
    SortKey(DuplicateGroup.id, descending=True, nullable=False),
]


def list_groups(session: ServiceSession, state: str, *, page_size: int, page_token: str) -> Page[DuplicateGroup]:
    """A page of the groups in a state, the most likely first."""
    size = paging.page_size(page_size)
    statement = select(DuplicateGroup).where(DuplicateGroup.state == state, _reached(session, state))
    mark = paging.fingerprint("duplicate-groups", state)
    return paging.fetch_page(session, statement, _ORDER, size, page_token, mark)


def lock_group(session: ServiceSession, group_id: UUID) -> DuplicateGroup:
    """A group, locked. Raises NotFound unless the caller may merge all its customers."""
    group = session.scalars(select(DuplicateGroup).where(DuplicateGroup.id == group_id).with_for_update()).first()
    if group is not None:
        seen = select(DuplicateGroup.id).where(DuplicateGroup.id == group_id, _reached(session, group.state))
        if session.scalar(seen) is not None:
            return group
    raise NotFound("DUPLICATE_GROUP_NOT_FOUND", "there is no such group, or you may not merge its customers")


def _reached(session: ServiceSession, state: str) -> ColumnElement[bool]:
    """Whether all members that are there are within reach, and, unless they were merged, all are there."""
    of_group = DuplicateMember.group_id == DuplicateGroup.id
    is_member = Customer.id == DuplicateMember.customer_id
    reached = exists().where(is_member, reach(session, MERGE))
    there = exists().where(is_member)
    out_of_reach = not_(reached) if state != GroupState.MERGED else and_(there, not_(reached))
    some = exists().where(of_group, reached)
    return and_(some, not_(exists().where(of_group, out_of_reach)))
