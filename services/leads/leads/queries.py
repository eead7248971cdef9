"""Reads: the follow-ups that a caller may see. Rows are plain rows, not entities."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.filters import Field, FieldKind, FieldRegistry
from chassis.paging import Page, SortKey
from chassis.sharing import ANY_LEVEL, COLLABORATION, Reachable
from sqlalchemy import ColumnElement, or_, select

from leads.effectiveness import Verdict
from leads.model import CUSTOMER, FollowUp, FollowUpMethod, KnownCustomer

_METHODS = tuple(FollowUpMethod)

REGISTRY = FieldRegistry(
    (
        Field(
            "customer", FieldKind.REFERENCE, FollowUp.customer_id, collection="customers", index="ix_follow_up_customer"
        ),
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
    entity="follow_up",
)

REACHABLE = Reachable(
    entity=CUSTOMER,
    id=FollowUp.customer_id,
    owner=KnownCustomer.owner_id,
    department_path=KnownCustomer.owner_department_path,
    opened={"customer.read": ANY_LEVEL, "follow_up.read": ANY_LEVEL, "follow_up.create": COLLABORATION},
)
"""Follow-ups are reached by their customers: in whose data scope, or shared with whom, these are."""

_FOLLOW_UPS = select(*FollowUp.__table__.columns).outerjoin(KnownCustomer, KnownCustomer.id == FollowUp.customer_id)
_NEWEST = SortKey(FollowUp.occur_time, descending=True, nullable=False)
_BY_ID = SortKey(FollowUp.id, descending=True, nullable=False)


def get_follow_up(session: ServiceSession, follow_up_id: UUID) -> Any:
    """A follow-up as a row. Raises NotFound if there is none that the caller may see."""
    row = session.execute(_FOLLOW_UPS.where(FollowUp.id == follow_up_id, _visible(session))).first()
    if row is None:
        raise no_follow_up()
    return row


def list_follow_ups(
    session: ServiceSession, *, conditions: Any, order_by: Sequence[Any], page_size: int, page_token: str
) -> Page[Any]:
    """A page of follow-ups as rows."""
    size = paging.page_size(page_size)
    keys = REGISTRY.order(order_by, [_NEWEST], _BY_ID, caller=session.caller)
    statement = _FOLLOW_UPS.where(_visible(session), REGISTRY.where(conditions, caller=session.caller))
    mark = paging.fingerprint("follow-ups", conditions, order_by)
    return paging.fetch_page(session, statement, keys, size, page_token, mark)


def _visible(session: ServiceSession) -> ColumnElement[bool]:
    """The caller's own, and those with customers that the caller reaches."""
    reached = REACHABLE.reach(session, "follow_up.read")
    everything = session.caller.scope("follow_up.read").everything
    return reached if everything else or_(FollowUp.author == session.caller.subject, reached)


def no_follow_up() -> NotFound:
    """The refusal of a follow-up that does not exist or cannot be seen, which are told alike."""
    return NotFound("FOLLOW_UP_NOT_FOUND", "there is no such follow-up, or you may not see it")
