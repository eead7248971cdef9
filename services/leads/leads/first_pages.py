"""The newest follow-ups of one customer, as the whole picture shows them, read by a prepared query.

It says the same, tokens of next pages included, as the list of `leads.queries` that it is the first page of.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.filters import compared_with
from chassis.names import parse_name
from chassis.paging import Page
from chassis.prepared import Prepared
from chassis.scopes import in_given_scope, scope_values
from chassis.sharing import shared_as_given
from sqlalchemy import Integer, String, Uuid, and_, bindparam, or_, select

from leads import queries
from leads.model import FollowUp, KnownCustomer
from leads.theatres import FOLLOWERS, of_owner, of_theatres

_CUSTOMER = bindparam("customer_id", type_=Uuid)
_NEWEST = (
    select(*FollowUp.__table__.columns)
    .where(FollowUp.customer_id == _CUSTOMER)
    .order_by(FollowUp.occur_time.desc(), FollowUp.id.desc())
    .limit(bindparam("limit", type_=Integer))
)
_IN_SCOPE = (
    select(KnownCustomer.id)
    .where(KnownCustomer.id == _CUSTOMER, in_given_scope(KnownCustomer.owner_id, KnownCustomer.owner_department_path))
    .exists()
)
_THEIRS = and_(FOLLOWERS.live, in_given_scope(FOLLOWERS.owner, FOLLOWERS.department_path))
_ALL = Prepared(_NEWEST)
_VISIBLE = Prepared(
    _NEWEST.where(
        or_(
            FollowUp.author == bindparam("author", type_=String),
            and_(of_owner(), or_(_IN_SCOPE, shared_as_given(_CUSTOMER))),
            of_theatres(_THEIRS),
        )
    )
)


def list_follow_ups(
    session: ServiceSession, *, conditions: Any, order_by: Sequence[Any], page_size: int, page_token: str
) -> Page[Any]:
    """A page of follow-ups as rows, see `queries.list_follow_ups`."""
    asked = not order_by and not page_token and not session.caller.field_rules.get(queries.ENTITY)
    customer_id = _only_customer(conditions) if asked else None
    if customer_id is None:
        return queries.list_follow_ups(
            session, conditions=conditions, order_by=order_by, page_size=page_size, page_token=page_token
        )
    size = paging.page_size(page_size)
    rows = _first_rows(session, customer_id, size + 1)
    if len(rows) <= size:
        return Page(rows, "")
    last, mark = rows[size - 1], queries.list_mark(conditions, order_by)
    return Page(rows[:size], paging.token_after([last.occur_time, last.id], mark))


def _only_customer(conditions: Any) -> UUID | None:
    """The customer whose follow-ups are asked for, if nothing else narrows them and its name is well formed."""
    name = compared_with(conditions, "customer")
    try:
        return parse_name("customers", name) if name is not None else None
    except Invalid:
        return None  # the list tells what is wrong with it


def _first_rows(session: ServiceSession, customer_id: UUID, limit: int) -> list[Any]:
    scope = session.caller.scope(queries.READ)
    if scope.everything:
        return _ALL.all(session, customer_id=customer_id, limit=limit)
    shares = queries.BY_OWNER.share_values(session, queries.READ)
    author = session.caller.subject
    return _VISIBLE.all(session, customer_id=customer_id, limit=limit, author=author, **scope_values(scope), **shares)
