"""Take the customers back that are due, and put each into the pool that it falls into."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from uuid import UUID

from chassis.columns import among
from chassis.db import ServiceSession
from sqlalchemy import true

from customers.holders import Held, Holder, Occasion
from customers.holding import hand_over, lock_held
from customers.model import Customer
from customers.model.pools import ChangeKind
from customers.pools.rules import PlanPolicy
from customers.recycling.clocks import Clocks, PoolOfDay

BATCH = 1_000
"""Customers taken back in one transaction."""


@dataclass(frozen=True)
class Part:
    """What became of a part of the customers."""

    last: UUID | None
    """The last that was looked at; None if there was none."""
    taken: int


def recycle_customers(
    session: ServiceSession, day: date, after: UUID | None = None, *, wait: bool = False, most: int = BATCH
) -> Part:
    """Take the next customers back that are due on a day, by id.

    Customers that others are just changing are passed over, unless it is asked to `wait` for them. They are judged
    again once they are locked: what changed may have set their clocks anew.
    """
    clocks = Clocks(session, day)
    table = Customer.__table__
    due = clocks.select(table.c.id).where(clocks.due_by(day))
    found = session.scalars(
        due.where(table.c.id > after if after is not None else true()).order_by(table.c.id).limit(most)
    ).all()
    if not found:
        return Part(None, 0)
    locked = {one.id: one for one in lock_held(session, among(table.c.id, found), skip_locked=not wait)}
    judged = due.add_columns(clocks.place.label("place"), clocks.reason.label("reason"))
    rows = session.execute(judged.where(among(table.c.id, list(locked))).order_by("place", "reason", table.c.id)).all()
    for (place, reason), members in groupby(rows, key=lambda row: (row.place, row.reason)):
        _put(session, clocks.pools[place - 1], reason, [locked[row.id] for row in members])
    return Part(found[-1], len(rows))


def _put(session: ServiceSession, into: PoolOfDay, reason: str, customers: Sequence[Held]) -> None:
    closes = into.rules.plans is PlanPolicy.CLOSE
    holder = Holder(pool_id=into.pool.id, label=into.pool.display_name, closes_plans=closes)
    occasion = Occasion(ChangeKind.RECYCLED, reason, rule=into.rule_name)
    hand_over(session, customers, holder, occasion)
