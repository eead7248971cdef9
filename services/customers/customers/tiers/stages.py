"""The stage of a customer's life with the organisation, by what it bought and the company's policy."""

from datetime import date
from typing import Any

from chassis.db import ServiceSession
from chassis.organisation import organisation
from sqlalchemy import ColumnElement, Date, Text, and_, case, cast, exists, false, func, literal, select

from customers.days import today
from customers.model import Customer, LifecyclePolicy, LifecycleStage
from customers.model.purchases import Purchase, PurchaseKind, PurchaseTotal

_CUSTOMER = Customer.__table__.c
_BUYS = (PurchaseKind.ORDER.value, PurchaseKind.PAYMENT.value)


def policy_row(session: ServiceSession, *, lock: bool = False) -> LifecyclePolicy:
    """The company's policy; the one to begin with, as a new row, if it has set none."""
    stored = session.get(LifecyclePolicy, 1, with_for_update=lock)
    return stored or LifecyclePolicy(
        id=1,
        version=0,
        new_days=30,
        active_days=90,
        dormant_days=365,
        won_back_days=90,
        prospect_days=0,
        follow_ups_count=False,
    )


class Stages:
    """Tells the stages of customers as of a day, each as an expression over the table of customers."""

    def __init__(self, session: ServiceSession) -> None:
        self.day: date = today(session)
        self._policy = policy_row(session)
        self._zone = organisation(session).zone.key

    def expression(self) -> ColumnElement[Any]:
        """The stage of a customer."""
        policy, bought = self._policy, total_of(PurchaseTotal.last_time)
        alive = bought
        if policy.follow_ups_count:
            alive = func.greatest(bought, _CUSTOMER.last_effective_follow_up_time, type_=bought.type)
        silent, stage = self.days_since(alive), LifecycleStage
        found = case(
            (and_(bought.is_(None), self._forgotten()), stage.LOST.value),
            (bought.is_(None), stage.PROSPECT.value),
            (silent > policy.dormant_days, stage.LOST.value),
            (silent > policy.active_days, stage.DORMANT.value),
            (self._won_back(), stage.WON_BACK.value),
            (self.days_since(total_of(PurchaseTotal.first_time)) < policy.new_days, stage.NEW.value),
            else_=stage.ACTIVE.value,
        )
        return cast(found, Text)

    def days_since(self, moment: ColumnElement[Any]) -> ColumnElement[Any]:
        """How many days of the organisation's calendar ago a moment was."""
        return literal(self.day, Date) - self._day_of(moment)

    def _day_of(self, moment: Any) -> ColumnElement[Any]:
        return cast(func.timezone(literal(self._zone), moment), Date)

    def _forgotten(self) -> ColumnElement[bool]:
        """Whether nobody has followed up for so long that who never bought is given up."""
        if not self._policy.prospect_days:
            return false()
        touched = func.coalesce(
            _CUSTOMER.last_effective_follow_up_time, _CUSTOMER.create_time, type_=_CUSTOMER.create_time.type
        )
        return self.days_since(touched) > self._policy.prospect_days

    def _won_back(self) -> ColumnElement[bool]:
        """Whether a purchase of the last days came after a silence in which the customer counted as lost."""
        again, before = Purchase.__table__.alias("again"), Purchase.__table__.alias("before")
        since = self._day_of(again.c.time) - self._policy.dormant_days
        mine = and_(before.c.customer_id == _CUSTOMER.id, before.c.kind.in_(_BUYS), before.c.time < again.c.time)
        return exists(
            select(literal(1)).where(
                again.c.customer_id == _CUSTOMER.id,
                again.c.kind.in_(_BUYS),
                self.days_since(again.c.time) < self._policy.won_back_days,
                self._day_of(total_of(PurchaseTotal.first_time)) < since,
                ~exists(select(literal(1)).where(mine, self._day_of(before.c.time) >= since)
                        .correlate(Customer.__table__, again)),
            ).correlate(Customer.__table__)
        )  # fmt: skip


def total_of(column: Any) -> ColumnElement[Any]:
    """What a customer's purchases add up to, NULL without any, as an expression over the table of customers."""
    wanted = select(column).where(PurchaseTotal.customer_id == _CUSTOMER.id)
    return wanted.correlate(Customer.__table__).scalar_subquery()
