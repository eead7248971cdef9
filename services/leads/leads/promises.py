"""Promises: follow-ups that plan a contact which has not taken place, and who has yet to take them over.

A promise is open while its reminder is, and after the reminder until somebody of its side gets in touch. When a
customer gets another owner, the promises that others made wait for that owner to acknowledge them.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.paging import Page, SortKey
from chassis.prepared import Prepared
from sqlalchemy import (
    ColumnElement,
    String,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    exists,
    false,
    func,
    null,
    or_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from leads.model import FollowUp, KnownCustomer
from leads.queries import select_visible
from leads.theatres import of_owner

_BY_DUE = [SortKey(FollowUp.next_contact_time, nullable=False), SortKey(FollowUp.id, nullable=False)]


def is_open() -> ColumnElement[bool]:
    """Whether a follow-up is a promise that has not been kept."""
    later = aliased(FollowUp)
    kept = exists().where(
        later.customer_id == FollowUp.customer_id,
        later.occur_time > FollowUp.occur_time,
        later.joint_theatre.is_not_distinct_from(FollowUp.joint_theatre),
    )
    planned = or_(FollowUp.reminder_open, FollowUp.remind_time.is_not(None))
    return and_(FollowUp.next_contact_time.is_not(None), planned, ~kept)


def list_promises(session: ServiceSession, customer_id: UUID, *, page_size: int, page_token: str) -> Page[Any]:
    """A page of the open promises to a customer that the caller may see, as rows."""
    size = paging.page_size(page_size)
    statement = select_visible(session).where(FollowUp.customer_id == customer_id, is_open())
    mark = paging.fingerprint("promises", str(customer_id))
    return paging.fetch_page(session, statement, _BY_DUE, size, page_token, mark)


def await_acknowledgement(session: ServiceSession, customer_ids: Collection[UUID]) -> None:
    """Let the promises to customers wait for their owners of now, but for those that the owners made themselves."""
    if not customer_ids:
        return
    session.flush()
    _AWAIT.write(session, customers=list(customer_ids))


def awaits_owner() -> ColumnElement[bool]:
    """Whether a follow-up is a promise that its customer's owner has yet to take over."""
    return and_(FollowUp.awaits_acknowledgement, is_open(), of_owner())


def _user_name(column: Any) -> ColumnElement[str]:
    return "users/" + cast(column, String)


_AWAIT = Prepared(
    update(FollowUp)
    .where(
        FollowUp.customer_id == KnownCustomer.id,
        KnownCustomer.id == any_(bindparam("customers", type_=ARRAY(Uuid))),
        is_open(),
        of_owner(),
    )
    .values(
        awaits_acknowledgement=func.coalesce(
            func.coalesce(_user_name(FollowUp.assignee_id), FollowUp.author) != _user_name(KnownCustomer.owner_id),
            false(),
        ),
        acknowledge_time=null(),
    )
)
