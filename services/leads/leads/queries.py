"""Reads: the follow-ups that a caller may see. Rows are plain rows, not entities."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.filters import Field, FieldKind, FieldRegistry
from chassis.paging import Page, SortKey
from chassis.scopes import in_scope
from chassis.sharing import ANY_LEVEL, COLLABORATION, Reachable
from sqlalchemy import Select, and_, exists, or_, select

from leads.effectiveness import Verdict
from leads.model import CUSTOMER, FollowUp, FollowUpMethod, KnownCustomer, Lead
from leads.theatres import FOLLOWERS, of_owner, of_theatres

READ = "follow_up.read"
ENTITY = "follow_up"
"""What field rules call follow-ups."""

_METHODS = tuple(FollowUpMethod)

REGISTRY = FieldRegistry(
    (
        Field(
            "customer", FieldKind.REFERENCE, FollowUp.customer_id, collection="customers", index="ix_follow_up_customer"
        ),
        Field("lead", FieldKind.REFERENCE, FollowUp.lead_id, collection="leads", index="ix_follow_up_lead"),
        Field("method", FieldKind.ENUM, FollowUp.method, choices=_METHODS, index="none: narrows"),
        Field("author", FieldKind.TEXT, FollowUp.author, index="ix_follow_up_author"),
        Field("occur_time", FieldKind.TIME, FollowUp.occur_time, sortable=True, index="ix_follow_up_occur_time"),
        Field(
            "next_contact_time",
            FieldKind.TIME,
            FollowUp.next_contact_time,
            sortable=True,
            index="ix_follow_up_next_contact_time",
        ),
        Field("verdict", FieldKind.ENUM, FollowUp.verdict, choices=tuple(Verdict), index="none: narrows"),
        Field("create_time", FieldKind.TIME, FollowUp.create_time, sortable=True, index="ix_follow_up_create_time"),
    ),
    entity=ENTITY,
)

REACHABLE = Reachable(
    entity=CUSTOMER,
    id=FollowUp.customer_id,
    owner=KnownCustomer.owner_id,
    department_path=KnownCustomer.owner_department_path,
    opened={"customer.read": ANY_LEVEL, "follow_up.read": ANY_LEVEL, "follow_up.create": COLLABORATION},
    followers=FOLLOWERS,
)
"""Follow-ups on customers: in whose data scope these are, shared with whom, or followed by whom."""

BY_OWNER = replace(REACHABLE, followers=None)
"""Those of the owner's side are reached by their customers, but not by those who follow these for other theatres."""

_FOLLOW_UPS = select(*FollowUp.__table__.columns).outerjoin(KnownCustomer, KnownCustomer.id == FollowUp.customer_id)
_NEWEST = SortKey(FollowUp.occur_time, descending=True, nullable=False)
_BY_ID = SortKey(FollowUp.id, descending=True, nullable=False)


def get_follow_up(session: ServiceSession, follow_up_id: UUID) -> Any:
    """A follow-up as a row. Raises NotFound if there is none that the caller may see."""
    row = session.execute(select_visible(session).where(FollowUp.id == follow_up_id)).first()
    if row is None:
        raise no_follow_up()
    return row


def list_follow_ups(
    session: ServiceSession, *, conditions: Any, order_by: Sequence[Any], page_size: int, page_token: str
) -> Page[Any]:
    """A page of follow-ups as rows."""
    size = paging.page_size(page_size)
    keys = REGISTRY.order(order_by, [_NEWEST], _BY_ID, caller=session.caller)
    statement = select_visible(session).where(REGISTRY.where(conditions, caller=session.caller))
    return paging.fetch_page(session, statement, keys, size, page_token, list_mark(conditions, order_by))


def list_mark(conditions: Any, order_by: Sequence[Any]) -> str:
    """What the tokens of such a list are marked with."""
    return paging.fingerprint("follow-ups", conditions, order_by)


def select_visible(session: ServiceSession) -> Select[Any]:
    """The follow-ups that the caller may see, as rows: their own, those of the sides of customers that they reach, and
    those of leads that they reach."""
    scope = session.caller.scope(READ)
    if scope.everything:
        return _FOLLOW_UPS
    lead = exists().where(Lead.id == FollowUp.lead_id, in_scope(scope, Lead.owner_id, Lead.owner_department_path))
    sides = [
        FollowUp.author == session.caller.subject,
        and_(of_owner(), BY_OWNER.reach(session, READ)),
        and_(FollowUp.customer_id.is_(None), lead),
    ]
    if FOLLOWERS.any_in(session, scope):
        sides.append(of_theatres(FOLLOWERS.theirs(scope)))
    return _FOLLOW_UPS.where(or_(*sides))


def no_follow_up() -> NotFound:
    """The refusal of a follow-up that does not exist or cannot be seen, which are told alike."""
    return NotFound("FOLLOW_UP_NOT_FOUND", "there is no such follow-up, or you may not see it")
