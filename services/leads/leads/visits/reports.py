"""Routes and coverage: what visits come to, equal to the visits that the caller sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.field_rules import require_readable
from chassis.likes import starting_with
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, Select, and_, case, func, literal, select

from leads import subjects
from leads.days import bounds
from leads.model import KnownCustomer, KnownDepartment, ReviewState, Visit
from leads.visits.queries import ENTITY, READ, visible


@dataclass(frozen=True)
class Coverage:
    """Whose customers, and when they were visited."""

    start: date
    end: date
    user_id: UUID | None = None
    department_id: UUID | None = None

    @property
    def mark(self) -> str:
        """What the tokens of its pages are marked with."""
        return f"{self.start} {self.end} {self.user_id} {self.department_id}"


def list_stops(session: ServiceSession, user_id: UUID, day: date, *, page_size: int, page_token: str) -> Page[Any]:
    """A page of the stops of a person's day: rows with the visit's `id`, `number`, `distance_metres` and
    `travel_seconds`."""
    size = paging.page_size(page_size)
    stops = _stops(session, user_id, day).subquery("stops")
    keys = [SortKey(stops.c.check_in_time, nullable=False), SortKey(stops.c.id, nullable=False)]
    mark = paging.fingerprint("route", str(user_id), day.isoformat())
    return paging.fetch_page(session, select(*stops.c), keys, size, page_token, mark)


def summarise_route(session: ServiceSession, user_id: UUID, day: date) -> Any:
    """The sums over all stops: `visits`, `distance_metres` and `visit_seconds`."""
    stops = _stops(session, user_id, day).subquery("stops")
    sums = select(
        func.count().label("visits"),
        func.coalesce(func.sum(stops.c.distance_metres), 0.0).label("distance_metres"),
        func.coalesce(func.sum(stops.c.visit_seconds), 0).label("visit_seconds"),
    )
    return session.execute(sums.select_from(stops)).one()


def _stops(session: ServiceSession, user_id: UUID, day: date) -> Select[Any]:
    """The visits of a day that the caller sees. A way is told only from a stop that they see, too. Raises Denied
    FIELD_NOT_READABLE if the caller's roles keep ways or durations from them."""
    for field in ("leg_metres", "duration_seconds"):
        require_readable(session.caller, ENTITY, field, path=field)
    begin, end = bounds(session, day, day)
    in_order: dict[str, Any] = {"order_by": (Visit.check_in_time, Visit.id)}
    all_day = (
        select(Visit.id, func.lag(Visit.id).over(**in_order).label("before"))
        .where(Visit.assignee_id == user_id, Visit.check_in_time >= begin, Visit.check_in_time < end)
        .subquery("all_day")
    )
    number = func.row_number().over(**in_order)
    from_there = all_day.c.before == func.lag(Visit.id).over(**in_order)
    left = func.lag(Visit.check_out_time).over(**in_order)
    return (
        select(
            Visit.id,
            Visit.check_in_time,
            number.label("number"),
            case((from_there, func.coalesce(Visit.leg_metres, 0.0)), else_=0.0).label("distance_metres"),
            case((from_there, _seconds(left, Visit.check_in_time)), else_=0).label("travel_seconds"),
            _seconds(Visit.check_in_time, Visit.check_out_time).label("visit_seconds"),
        )
        .join(all_day, all_day.c.id == Visit.id)
        .where(visible(session))
    )


def _seconds(start: Any, end: Any) -> ColumnElement[Any]:
    whole = func.floor(func.extract("epoch", end - start))
    return func.greatest(func.coalesce(whole, 0), 0)


def list_coverage(session: ServiceSession, coverage: Coverage, *, page_size: int, page_token: str) -> Page[Any]:
    """A page of the customers with their visits, the least visited first."""
    size = paging.page_size(page_size)
    covered = _covered(session, coverage).subquery("covered")
    keys = [SortKey(covered.c.visits, nullable=False), SortKey(covered.c.id, nullable=False)]
    mark = paging.fingerprint("coverage", coverage.mark)
    return paging.fetch_page(session, select(*covered.c), keys, size, page_token, mark)


def summarise_coverage(session: ServiceSession, coverage: Coverage) -> Any:
    """The sums over all customers: `customers`, `visited` and `visits`."""
    covered = _covered(session, coverage).subquery("covered")
    sums = select(
        func.count().label("customers"),
        func.count().filter(covered.c.visits > 0).label("visited"),
        func.coalesce(func.sum(covered.c.visits), 0).label("visits"),
    )
    return session.execute(sums.select_from(covered)).one()


def _covered(session: ServiceSession, coverage: Coverage) -> Select[Any]:
    """The customers that the caller reaches, with their visits. Those that a manager did not accept are none."""
    begin, end = bounds(session, coverage.start, coverage.end)
    counted = (
        select(Visit.customer_id, func.count().label("visits"), func.max(Visit.check_in_time).label("last"))
        .where(
            Visit.customer_id.is_not(None),
            Visit.check_in_time >= begin,
            Visit.check_in_time < end,
            Visit.review_state != ReviewState.REJECTED,
        )
        .group_by(Visit.customer_id)
        .subquery("counted")
    )
    return (
        select(
            KnownCustomer.id,
            KnownCustomer.display_name,
            KnownCustomer.owner_id,
            func.coalesce(counted.c.visits, literal(0)).label("visits"),
            counted.c.last.label("last_visit_time"),
        )
        .outerjoin(counted, counted.c.customer_id == KnownCustomer.id)
        .where(
            and_(*_whose(session, coverage)),
            KnownCustomer.deleted.is_(False),
            subjects.reach_customers(session, "customer.read"),
            subjects.reach_customers(session, READ),
        )
    )


def _whose(session: ServiceSession, coverage: Coverage) -> Sequence[ColumnElement[bool]]:
    theirs: list[ColumnElement[bool]] = []
    if coverage.user_id is not None:
        theirs.append(KnownCustomer.owner_id == coverage.user_id)
    if coverage.department_id is not None:
        path = session.scalar(select(KnownDepartment.path).where(KnownDepartment.id == coverage.department_id))
        if path is None:
            raise NotFound("DEPARTMENT_NOT_FOUND", "there is no such department", field="department")
        theirs.append(KnownCustomer.owner_department_path.like(starting_with(path)))
    return theirs or [KnownCustomer.id.is_not(None)]
