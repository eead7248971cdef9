"""Reads: the theatres that look after a customer, each as far as the caller may look into it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession, UtcDateTime
from chassis.organisation import organisation
from chassis.paging import SortKey
from sqlalchemy import Select, Uuid, cast, func, literal, null, or_, select, union_all

from customers.model import Customer, CustomerTheatre, TimelineEntry, TimelineKind
from customers.queries import BY_OWNER, get_customer
from customers.theatres.following import FOLLOWERS, live_theatres, theatre_at
from customers.theatres.visibility import THEATRE

READ = "customer.read"


@dataclass(frozen=True)
class TheatreView:
    """A theatre that looks after a customer, as somebody sees it."""

    id: UUID | None
    """None for the theatre of the customer's owner."""
    customer_id: UUID
    theatre_id: UUID | None
    """None if the owner belongs to no department."""
    last_touch_date: date | None
    open: bool
    """Whether what follows is told."""
    owner_id: UUID | None = None
    next_contact_time: datetime | None = None
    start_time: datetime | None = None


def list_theatres(
    session: ServiceSession, customer_id: UUID, *, page_size: int, page_token: str
) -> tuple[list[TheatreView], str]:
    """A page of the theatres that look after a customer, the owner's first, and the token of the next. Raises NotFound
    like `get_customer`."""
    size = paging.page_size(page_size)
    customer = get_customer(session, customer_id)
    rows = union_all(_holder(customer_id), _followers(customer_id)).subquery("theatre")
    keys = [SortKey(rows.c[key], nullable=False) for key in ("place", "start_time", "id")]
    mark = paging.fingerprint("customer-theatres", str(customer_id))
    page = paging.fetch_page(session, select(*rows.c), keys, size, page_token, mark)
    return [_view(session, customer, row) for row in page.rows], page.next_token


def opened_view(session: ServiceSession, kept: CustomerTheatre) -> TheatreView:
    """What whoever has just changed it is told of what a theatre does."""
    return TheatreView(
        id=kept.id,
        customer_id=kept.customer_id,
        theatre_id=kept.department_id,
        last_touch_date=_day(session, kept.last_touch_time),
        open=True,
        owner_id=kept.owner_id,
        next_contact_time=kept.next_contact_time,
        start_time=kept.start_time,
    )


def _holder(customer_id: UUID) -> Select[Any]:
    nothing = null()
    return select(
        literal(0).label("place"),
        Customer.id,
        cast(nothing, Uuid).label("department_id"),
        Customer.owner_id,
        Customer.owner_department_path,
        func.coalesce(Customer.held_since, Customer.create_time).label("start_time"),
        cast(nothing, UtcDateTime).label("last_touch_time"),
        cast(nothing, UtcDateTime).label("next_contact_time"),
    ).where(Customer.id == customer_id, Customer.owner_id.is_not(None))


def _followers(customer_id: UUID) -> Select[Any]:
    row: Any = CustomerTheatre
    return select(
        literal(1),
        row.id,
        row.department_id,
        row.owner_id,
        row.owner_department_path,
        row.start_time,
        row.last_touch_time,
        row.next_contact_time,
    ).where(row.customer_id == customer_id, FOLLOWERS.live)


def _view(session: ServiceSession, customer: Any, row: Any) -> TheatreView:
    holds = row.department_id is None
    theatre_id, last = row.department_id, row.last_touch_time
    scope = session.caller.scope(READ)
    opened = scope.reaches(row.owner_id, row.owner_department_path)
    if holds:
        theatre_id = theatre_at(session, row.owner_department_path) or customer.owner_department_id
        last = _last_touch_of_holder(session, customer.id)
        opened = BY_OWNER.reaches(session, READ, customer.id, row.owner_id, row.owner_department_path)
    return TheatreView(
        id=None if holds else row.id,
        customer_id=customer.id,
        theatre_id=theatre_id,
        last_touch_date=_day(session, last),
        open=opened,
        owner_id=row.owner_id if opened else None,
        next_contact_time=row.next_contact_time if opened else None,
        start_time=row.start_time if opened else None,
    )


def _last_touch_of_holder(session: ServiceSession, customer_id: UUID) -> datetime | None:
    """When somebody was last in touch who follows the customer for no other theatre."""
    theatre = TimelineEntry.details[THEATRE].astext
    others = [one.theatre for one in live_theatres(session, [customer_id])]
    return session.scalar(
        select(func.max(TimelineEntry.occur_time)).where(
            TimelineEntry.customer_id == customer_id,
            TimelineEntry.kind == TimelineKind.FOLLOW_UP_LOGGED,
            or_(theatre.is_(None), theatre.not_in(others)),
        )
    )


def _day(session: ServiceSession, moment: datetime | None) -> date | None:
    return organisation(session).day_of(moment) if moment is not None else None
