"""How many customers rules would have taken on each day of the past, reckoned from the ledger and the follow-ups.

Whose a customer was and when it was followed up is known for every day. What the records do not keep is taken as it is
now: APPROXIMATIONS names it. A customer that would have been taken would not have been with that owner any more, so it
counts once for each time that somebody held it.
"""

from datetime import date, timedelta
from typing import Any

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.organisation import organisation
from sqlalchemy import (
    CTE,
    Date,
    DateTime,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from customers.days import beginning, today
from customers.model import Customer, HoldingChange, KnownUser, TimelineEntry, TimelineKind
from customers.model.pools import ChangeKind
from customers.pools.flow import require_overview
from customers.pools.rules import Trigger
from customers.recycling.clocks import Clocks, Drafts
from customers.recycling.previews import require_levels, require_pools
from customers.recycling.running import RUN_AT

MOST_DAYS = 366
APPROXIMATIONS = (
    "LEVEL_STATUS_AND_PROTECTIONS_AS_OF_NOW",
    "DEPARTMENTS_AS_OF_NOW",
    "POOL_CONDITIONS_AS_OF_NOW",
    "NEWEST_OPPORTUNITY_ONLY",
    "NO_EXTENSIONS",
    "NO_DELETED_CUSTOMERS",
)
_CUSTOMER, _LEDGER, _ENTRY = Customer.__table__.c, HoldingChange.__table__.c, TimelineEntry.__table__.c


def history(session: ServiceSession, days: int, drafts: Drafts) -> list[tuple[date, int, int]]:
    """For each of the last days: the day, how many the rules would have taken, and how many were taken."""
    require_overview(session.caller)
    if not 1 <= days <= MOST_DAYS:
        raise Invalid("OUT_OF_RANGE", f"from 1 to {MOST_DAYS} days can be reckoned", field="days")
    require_pools(session, drafts)
    require_levels(session, drafts)
    last = today(session)
    first = last - timedelta(days=days - 1)
    would_have = _would_have(session, first, last, drafts)
    counts = select(_LEDGER.day, func.count()).where(_LEDGER.kind == ChangeKind.RECYCLED.value, _LEDGER.day >= first)
    taken: dict[date, int] = {row[0]: row[1] for row in session.execute(counts.group_by(_LEDGER.day))}
    every = [first + timedelta(days=at) for at in range(days)]
    return [(day, would_have.get(day, 0), taken.get(day, 0)) for day in every]


def _would_have(session: ServiceSession, first: date, last: date, drafts: Drafts) -> dict[date, int]:
    held = _held(session, first)
    followed = _followed(held)
    owner = KnownUser.__table__
    clocks = Clocks(session, last, drafts, path=owner.c.department_path)
    falls = _falls(session, clocks, followed).label("day")
    statement = (
        select(followed.c.customer_id, followed.c.since, func.min(falls).label("day"))
        .select_from(followed)
        .join(Customer.__table__, _CUSTOMER.id == followed.c.customer_id)
        .join(owner, owner.c.id == followed.c.owner_id)
    )
    # Each holding counts on the first day on which it would have ended.
    once = clocks.joined(statement).group_by(followed.c.customer_id, followed.c.since).subquery("once").c
    counts = select(once.day, func.count()).where(once.day.between(first, last)).group_by(once.day)
    return {row[0]: row[1] for row in session.execute(counts)}


def _held(session: ServiceSession, first: date) -> CTE:
    """Who held what from when to when, as far as it reaches into the period."""
    former = select(
        _LEDGER.customer_id, _LEDGER.previous_user_id.label("owner_id"), _LEDGER.previous_since.label("since"),
        _LEDGER.time.label("until"),
    ).where(_LEDGER.previous_user_id.is_not(None), _LEDGER.time >= beginning(session, first))  # fmt: skip
    present = select(
        _CUSTOMER.id, _CUSTOMER.owner_id, func.coalesce(_CUSTOMER.held_since, _CUSTOMER.create_time),
        cast(null(), DateTime(timezone=True)),
    ).where(_CUSTOMER.owner_id.is_not(None))  # fmt: skip
    return union_all(former, present).cte("held")


def _followed(held: CTE) -> CTE:
    """Each time at which a clock started that waits for follow-ups, and when it started anew."""
    received = select(*held.c, held.c.since.label("time"))
    follow_ups = select(*held.c, _ENTRY.occur_time).join_from(
        held,
        TimelineEntry.__table__,
        and_(
            _ENTRY.customer_id == held.c.customer_id,
            _ENTRY.kind == TimelineKind.FOLLOW_UP_LOGGED.value,
            func.coalesce(_ENTRY.details["effective"].as_boolean(), literal(value=True)),
            _ENTRY.occur_time >= held.c.since,
            or_(held.c.until.is_(None), _ENTRY.occur_time < held.c.until),
        ),
    )
    started = union_all(received, follow_ups).subquery("started").c
    again = func.lead(started.time).over(partition_by=(started.customer_id, started.since), order_by=started.time)
    return select(*started, again.label("again")).cte("followed")


def _falls(session: ServiceSession, clocks: Clocks, followed: CTE) -> Any:
    """The day on which a customer would have been taken, of a clock that started at a time; NULL if it was not."""
    zone, reckoned, row = organisation(session).zone.key, clocks.reckoned, followed.c
    waits = reckoned.trigger == Trigger.NO_FOLLOW_UP.value
    newest = clocks.last_opportunity_time
    within = and_(newest >= row.since, or_(row.until.is_(None), newest < row.until))
    opportunity = and_(reckoned.trigger == Trigger.NO_OPPORTUNITY.value, within)
    start = case((waits, row.time), (opportunity, newest), else_=row.since)
    ends = clocks.day_of(start) + reckoned.days + 1
    ceiling = clocks.day_of(row.time) + reckoned.ceiling_days + 1
    later = func.greatest(ends, ceiling, type_=Date)
    due = cast(
        case((reckoned.hard, null()), (~reckoned.soft, ends), (reckoned.ceiling_days > 0, later), else_=null()), Date
    )
    runs = func.timezone(literal(zone), due + literal(RUN_AT))
    counts = or_(waits, reckoned.soft, row.time == row.since)
    ended = func.coalesce(case((or_(waits, reckoned.soft), row.again)), row.until)
    return case((and_(counts, or_(ended.is_(None), runs < ended), due <= clocks.day), due))
