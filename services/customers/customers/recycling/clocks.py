"""The clock of each customer that has an owner, as of a day: one statement for explanations, runs, previews and lists.

The pool that a customer would fall into decides by its recycle rule of that day. Days are those of the organisation's
calendar: a customer whose clock started on day S and runs for N days falls back on day S + N + 1, by that day's run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession, UtcDateTime
from chassis.organisation import organisation
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import array

from customers.days import beginning
from customers.model import Customer, CustomerStanding, CustomerStatus, ExtensionState, RecycleExtension
from customers.model.pools import Pool
from customers.pools.access import rules_on
from customers.pools.conditions import met
from customers.pools.precedence import all_pools
from customers.pools.rules import PoolRules, Protection, RecycleRule, Trigger

CEILING = "CEILING"
"""Why a protected customer falls back."""
DRAFT = "draft"
"""The name of rules that are only tried."""

_HARD = (Protection.WON, Protection.LOCKED)
"""What no ceiling overrides."""
_CUSTOMER = Customer.__table__.c
_RECEIVED: ColumnElement[Any] = func.coalesce(
    _CUSTOMER.held_since, _CUSTOMER.create_time, type_=_CUSTOMER.create_time.type
)
_FOLLOWED: ColumnElement[Any] = func.greatest(
    _RECEIVED, _CUSTOMER.last_effective_follow_up_time, type_=_CUSTOMER.create_time.type
)


Drafts = Mapping[UUID, RecycleRule | None]
"""By pool: rules that are only tried, None for a pool that customers shall not fall into."""


@dataclass(frozen=True)
class PoolOfDay:
    """A pool and the rules that hold in it on the day."""

    pool: Pool
    rules: PoolRules
    rule_name: str
    """`pools/{uuid}/rules/{number}`, or DRAFT."""
    recycle: RecycleRule | None


class Clocks:
    """Reckons the clocks of customers on a day, by the rules of that day or by drafts."""

    def __init__(
        self,
        session: ServiceSession,
        day: date,
        drafts: Drafts | None = None,
        *,
        path: ColumnElement[Any] = _CUSTOMER.owner_department_path,
    ) -> None:
        """Owners are reckoned to the department `path` of their customers, unless another column tells it."""
        self._session, self.day, self._zone = session, day, organisation(session).zone.key
        drafts = drafts or {}
        open_ones = [pool for pool in all_pools(session) if not pool.disabled]
        rules = rules_on(session, [pool.id for pool in open_ones], day)
        self.pools = [
            PoolOfDay(pool, *rules[pool.id], rules[pool.id][0].recycle)
            if pool.id not in drafts
            else PoolOfDay(pool, rules[pool.id][0], DRAFT, drafts[pool.id])
            for pool in open_ones
            if pool.id in rules
        ]
        """In the order in which they are tried. Pools whose rules begin to hold later take nothing yet."""
        place = select(self._place(path).label("place"))
        # OFFSET 0 keeps PostgreSQL from working an expression out again wherever it is used.
        self._placement = place.correlate(Customer.__table__, path.table).offset(0).lateral("placement")
        self.place: ColumnElement[Any] = self._placement.c.place
        self._standing = _standing().lateral("standing")
        self._reckoned = self._reckoning().lateral("reckoned")
        self._extended = self._extension().lateral("extended")

    def pool_at(self, place: int | None) -> PoolOfDay | None:
        """The pool at a place, as the column `place` tells it."""
        return self.pools[place - 1] if place else None

    def columns(self) -> list[ColumnElement[Any]]:
        """All that is told of a clock; `place` is that of `pool_at`."""
        return [
            self.place.label("place"),
            self._reckoned.c.start_time,
            self._reckoned.c.days,
            self._extended.c.extension_days,
            self._protections().label("protections"),
            self.due_date.label("due_date"),
            self.reason.label("reason"),
        ]

    def select(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """A statement of customers with owners. It may ask for any of `columns()` and of customers."""
        statement = self.joined(select(*columns).select_from(Customer.__table__)).join(self._extended, true())
        return statement.where(_CUSTOMER.owner_id.is_not(None))

    def joined(self, statement: Select[Any]) -> Select[Any]:
        """A statement of customers with what is reckoned of them, but for extensions."""
        return statement.join(self._placement, true()).join(self._standing, true()).join(self._reckoned, true())

    @property
    def reckoned(self) -> Any:
        """The columns `days`, `trigger`, `ceiling_days`, `hard` and `soft`: what the rule and the protections say."""
        return self._reckoned.c

    @property
    def last_opportunity_time(self) -> ColumnElement[Any]:
        """When the newest opportunity was created."""
        return self._standing.c.last_opportunity_time

    @property
    def due_date(self) -> ColumnElement[Any]:
        """The day on which a customer falls back; NULL if it does not."""
        reckoned = self._reckoned.c
        ends = self.day_of(reckoned.start_time) + reckoned.days + 1
        ceiling = self.day_of(_FOLLOWED) + reckoned.ceiling_days + 1
        later = func.greatest(ends, ceiling, type_=Date)
        due = case((reckoned.hard, null()), (~reckoned.soft, ends), (reckoned.ceiling_days > 0, later), else_=null())
        return cast(due, Date) + cast(self._extended.c.extension_days, Integer)

    @property
    def reason(self) -> ColumnElement[Any]:
        """Why a customer falls back; NULL if it does not."""
        reckoned = self._reckoned.c
        why = case((reckoned.hard, null()), (~reckoned.soft, reckoned.trigger), (reckoned.ceiling_days > 0, CEILING))
        return cast(why, Text)

    def due_by(self, day: date) -> ColumnElement[bool]:
        """Whether a customer falls back on a day or before."""
        shortest = min((_shortest(one.recycle) for one in self.pools if one.recycle), default=None)
        if shortest is None:
            return false()
        # No clock starts before the owner received the customer: what was received later need not be looked at.
        latest = beginning(self._session, day - timedelta(days=shortest))
        return and_(latest > _RECEIVED, self.due_date <= day)

    def day_of(self, moment: ColumnElement[Any]) -> ColumnElement[Any]:
        """The day of the organisation's calendar that a moment falls on."""
        return cast(func.timezone(literal(self._zone), moment), Date)

    def by_pool(self, value: Callable[[RecycleRule], Any]) -> ColumnElement[Any]:
        """A value of the rule of the pool that a customer falls into; NULL without a rule."""
        found = {place: value(one.recycle) for place, one in enumerate(self.pools, 1) if one.recycle is not None}
        return case(found, value=self.place) if found else null()

    def _place(self, path: ColumnElement[Any]) -> ColumnElement[Any]:
        """The number of the first pool that suits, as `precedence.Placement` finds it."""
        suits = [(self._suits(one.pool, path), place) for place, one in enumerate(self.pools, 1)]
        return cast(case(*suits) if suits else null(), Integer)

    def _suits(self, pool: Pool, path: ColumnElement[Any]) -> ColumnElement[bool]:
        conditions: list[ColumnElement[bool]] = []
        if pool.department_ids:
            above = func.string_to_array(path, "/", type_=ARRAY(Text))
            conditions.append(above.op("&&")(cast([str(one) for one in pool.department_ids], ARRAY(Text))))
        if pool.condition:
            conditions.append(met(self._session, pool.condition))
        return and_(true(), *conditions)

    def _reckoning(self) -> Select[Any]:
        """Since when the clock of a customer runs, for how long, and what stops it."""
        standing = self._standing.c
        opportunity = func.greatest(_RECEIVED, standing.last_opportunity_time, type_=_RECEIVED.type)
        start = self.by_pool(
            lambda rule: {Trigger.NO_FOLLOW_UP: _FOLLOWED, Trigger.NO_OPPORTUNITY: opportunity}.get(
                rule.trigger, _RECEIVED
            )
        )
        hard = [self._holds(one) for one in _HARD]
        soft = [self._holds(one) for one in Protection if one not in _HARD]
        statement: Any = (
            select(
                cast(start, UtcDateTime).label("start_time"),
                cast(self.by_pool(_days), Integer).label("days"),
                cast(self.by_pool(lambda rule: str(rule.trigger)), Text).label("trigger"),
                cast(self.by_pool(lambda rule: rule.ceiling_days), Integer).label("ceiling_days"),
                func.coalesce(or_(*hard), false()).label("hard"),
                func.coalesce(or_(*soft), false()).label("soft"),
            )
            .correlate(Customer.__table__, self._placement, self._standing)
            .offset(0)
        )
        reckoning: Select[Any] = statement
        return reckoning

    def _holds(self, protection: Protection) -> ColumnElement[bool]:
        """Whether a protection keeps a customer with its owner. One that is won is never taken for not being won."""
        always = protection is Protection.WON
        counts = self.by_pool(lambda rule: rule.protects(protection) or (always and rule.trigger is Trigger.NOT_WON))
        return and_(self._state(protection), func.coalesce(counts, false()))

    def _state(self, protection: Protection) -> ColumnElement[bool]:
        standing = self._standing.c
        return {
            Protection.WON: _CUSTOMER.status == CustomerStatus.WON.value,
            Protection.LOCKED: _CUSTOMER.locked.is_(True),
            Protection.OPEN_OPPORTUNITY: standing.open_opportunities > 0,
            Protection.OVERDUE_RECEIVABLE: standing.overdue_receivables > 0,
            Protection.OPEN_TICKET: standing.open_tickets > 0,
        }[protection]

    def _protections(self) -> ColumnElement[Any]:
        """The names of what keeps a customer with its owner."""
        names: Any = array([case((self._holds(one), one.value)) for one in Protection], type_=Text())
        return func.array_remove(names, null(), type_=ARRAY(Text))

    def _extension(self) -> Select[Any]:
        """The days of the extensions approved since the clock started: a new start makes an end of them."""
        extension = RecycleExtension.__table__.c
        return (
            select(func.coalesce(func.sum(extension.days), 0).label("extension_days"))
            .where(
                extension.customer_id == _CUSTOMER.id,
                extension.state == ExtensionState.APPROVED.value,
                extension.decide_time >= self._reckoned.c.start_time,
            )
            .correlate(Customer.__table__, self._reckoned)
        )


def _standing() -> Select[Any]:
    """What all systems together say of a customer."""
    standing = CustomerStanding.__table__.c
    return (
        select(
            func.sum(standing.open_opportunities).label("open_opportunities"),
            func.sum(standing.overdue_receivables).label("overdue_receivables"),
            func.sum(standing.open_tickets).label("open_tickets"),
            func.max(standing.last_opportunity_time).label("last_opportunity_time"),
        )
        .where(standing.customer_id == _CUSTOMER.id)
        .correlate(Customer.__table__)
    )


def _days(rule: RecycleRule) -> ColumnElement[Any]:
    return (
        case(dict(rule.days_by_level), value=_CUSTOMER.level, else_=rule.days)
        if rule.days_by_level
        else literal(rule.days)
    )


def _shortest(rule: RecycleRule) -> int:
    return min([rule.days, *rule.days_by_level.values()])
