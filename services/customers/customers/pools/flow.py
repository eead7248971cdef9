"""How many customers came to each pool and each owner in a period, and how many went.

The ledger tells the changes, and what is held now tells the end: the number at any earlier time is that of now less
what came and plus what went since. A customer that was created, by hand or by an import, came to its first holder at
that time; one that was deleted has gone. So for every holder, opening plus incoming minus outgoing is closing.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import Invalid
from sqlalchemy import text

from customers.days import beginning
from customers.pools.precedence import all_pools

MOST_DAYS = 366
CREATED = "CREATED"


@dataclass
class Line:
    """The flow through one holder."""

    holder: str
    closing: int = 0
    incoming: dict[str, int] = field(default_factory=dict)
    outgoing: dict[str, int] = field(default_factory=dict)

    @property
    def came(self) -> int:
        """How many came in."""
        return sum(self.incoming.values())

    @property
    def went(self) -> int:
        """How many went out."""
        return sum(self.outgoing.values())

    @property
    def opening(self) -> int:
        """How many there were at the beginning."""
        return self.closing - self.came + self.went


@dataclass(frozen=True)
class Flow:
    """The flow of a period."""

    pools: list[Line]
    owners: list[Line]


# A customer without a change was given to its present holder when it was created, others to the former holder of
# their first change. The ledger keeps deleted customers, whose creation is the time that their first holder began.
_FLOW = text(
    """
    WITH first_change AS (
      SELECT DISTINCT ON (customer_id) customer_id, previous_user_id, previous_pool_id, previous_since
      FROM holding_change ORDER BY customer_id, id
    ), came AS (
      SELECT user_id, pool_id, kind, time FROM holding_change
      UNION ALL SELECT previous_user_id, previous_pool_id, 'CREATED', previous_since FROM first_change
      UNION ALL SELECT owner_id, pool_id, 'CREATED', create_time FROM customer
        WHERE NOT EXISTS (SELECT FROM first_change WHERE customer_id = customer.id)
    ), went AS (
      SELECT previous_user_id AS user_id, previous_pool_id AS pool_id, kind, time FROM holding_change
    ), moves AS (
      SELECT user_id, pool_id, kind, time, 1 AS step FROM came
      UNION ALL SELECT user_id, pool_id, kind, time, -1 FROM went
    )
    SELECT CASE WHEN user_id IS NOT NULL THEN 'users/' || user_id ELSE 'pools/' || pool_id END AS holder, kind, step,
      count(*) FILTER (WHERE time >= :start) AS inside, count(*) AS total
    FROM moves WHERE time < :end AND (user_id IS NOT NULL OR pool_id IS NOT NULL)
    GROUP BY 1, 2, 3
    """
)


def flow(session: ServiceSession, first: date, last: date) -> Flow:
    """The flow from the first day to the last. Raises Invalid for a period that is none or too long."""
    require_overview(session.caller)
    if not first <= last <= first + timedelta(days=MOST_DAYS):
        raise Invalid(
            "INVALID_PERIOD", f"a period has from 1 to {MOST_DAYS} days, its first one first", field="to_date"
        )
    start, end = beginning(session, first), beginning(session, last + timedelta(days=1))
    lines = _lines(session, start, end)
    order = [pool.name for pool in all_pools(session)]
    former = sorted(holder for holder in lines if holder.startswith("pools/") and holder not in order)
    owners = sorted(holder for holder in lines if holder.startswith("users/"))
    return Flow(
        [lines.get(holder) or Line(holder) for holder in (*order, *former)],
        [line for line in (lines[holder] for holder in owners) if line.closing or line.came or line.went],
    )


def require_overview(caller: Caller) -> None:
    """Raise Denied for who may not see the whole: a part of it would not balance."""
    caller.require_everything("pool.monitor")


def _lines(session: ServiceSession, start: datetime, end: datetime) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for row in session.execute(_FLOW, {"start": start, "end": end}):
        line = lines.setdefault(row.holder, Line(row.holder))
        line.closing += row.step * row.total
        if row.inside:
            (line.incoming if row.step > 0 else line.outgoing)[row.kind] = row.inside
    return lines
