"""The ownership passport of a customer: who owned it from when to when, and what share each has in what is won.

The spans come from the ledger of holders (`holding_change`). A former owner's credit is
`share * (D - d) / D`, where d are the days of the organisation's calendar between losing the customer and the moment
asked for, and D is the length of the decay: linear, nothing after D days, multiplied before it is divided, so that
`0.3 * 20 / 30` is exactly 0.2. The present owner has the rest of 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.organisation import organisation
from sqlalchemy import select

from customers import queries
from customers.model import HoldingChange
from customers.model.ownership import OwnershipPolicy

DEFAULT_SHARE = Decimal("0.3")
DEFAULT_DECAY_DAYS = 30
MAX_CHANGES = 1_000
"""How many changes of hands a passport goes back: far beyond any decay, and short enough to be one answer."""


@dataclass(frozen=True)
class Span:
    """A time that one holder had the customer without a break."""

    owner_id: UUID | None
    """None while a pool or nobody held it."""
    from_time: datetime
    to_time: datetime | None
    """None for the holder at the moment asked for."""


@dataclass(frozen=True)
class Tenure:
    """A span of an owner with what it is worth."""

    owner_id: UUID
    from_time: datetime
    to_time: datetime | None
    credit: Decimal
    """The owner's share in what is won at the moment asked for, from 0 to 1."""
    days_since: int
    """Days of the organisation's calendar since the owner lost it; 0 for the present owner."""


@dataclass(frozen=True)
class Passport:
    """Who owned a customer, the latest first."""

    customer_id: UUID
    at: datetime
    policy: OwnershipPolicy
    tenures: tuple[Tenure, ...]
    complete: bool
    """False if there were owners before the first one told."""


def policy_row(session: ServiceSession, *, lock: bool = False) -> OwnershipPolicy:
    """The company's rule; with version 0, and not stored, if it has set none."""
    statement = select(OwnershipPolicy)
    kept = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    return kept or OwnershipPolicy(
        id=1,
        version=0,
        former_owner_share=DEFAULT_SHARE,
        decay_days=DEFAULT_DECAY_DAYS,
        update_time=session.now,
    )


def decayed(share: Decimal, days: int, decay_days: int) -> Decimal:
    """What is left of a share some days after it was lost."""
    return share * max(decay_days - days, 0) / decay_days


def passport(session: ServiceSession, customer_id: UUID, at: datetime | None = None) -> Passport:
    """The passport of a customer as of a moment, now if none is given. Raises NotFound like `get_customer`, and
    Invalid TIME_IN_FUTURE."""
    at = at or session.now
    if at > session.now:
        raise Invalid("TIME_IN_FUTURE", "nobody knows yet who will own the customer", field="at")
    customer = queries.get_customer(session, customer_id)
    since = customer.held_since or customer.create_time
    changes = _changes(session, customer_id)
    spans = spans_until(spans_of(changes, Span(customer.owner_id, since, None)), at)
    policy = policy_row(session)
    zone = organisation(session)
    tenures = tenures_of(spans, zone.day_of(at), [zone.day_of(span.to_time or at) for span in spans], policy)
    return Passport(customer_id, at, policy, tuple(tenures[::-1]), complete=len(changes) < MAX_CHANGES)


def _changes(session: ServiceSession, customer_id: UUID) -> list[HoldingChange]:
    """The latest changes of hands, the first first."""
    newest = select(HoldingChange).where(HoldingChange.customer_id == customer_id)
    return list(session.scalars(newest.order_by(HoldingChange.id.desc()).limit(MAX_CHANGES)))[::-1]


def spans_of(changes: Sequence[HoldingChange], present: Span) -> list[Span]:
    """What the ledger and the customer itself say, without gap, the first first. Spans of one holder that follow each
    other are one."""
    spans = [Span(change.previous_user_id, change.previous_since, change.time) for change in changes]
    joined: list[Span] = []
    for span in (*spans, present):
        if joined and joined[-1].owner_id == span.owner_id:
            joined[-1] = replace(joined[-1], to_time=span.to_time)
        else:
            joined.append(span)
    return joined


def spans_until(spans: Sequence[Span], at: datetime) -> list[Span]:
    """The spans as they were at a moment: whoever held the customer then has not lost it."""
    begun = [span for span in spans if span.from_time <= at and span.from_time != span.to_time]
    return [span if span.to_time is not None and span.to_time <= at else replace(span, to_time=None) for span in begun]


def tenures_of(spans: Sequence[Span], day: date, ends: Sequence[date], policy: OwnershipPolicy) -> list[Tenure]:
    """What each owner is due on a day, the spans having ended on the days `ends`.

    Who owned it more than once is due something for the latest time alone, and the present owner nothing as a former
    one. If former owners were due more than 1 together, each gets their part of 1.
    """
    holder = spans[-1].owner_id if spans and spans[-1].to_time is None else None
    latest = {span.owner_id: number for number, span in enumerate(spans)}
    due: dict[int, Decimal] = {}
    for number, (span, end) in enumerate(zip(spans, ends, strict=True)):
        if span.owner_id not in (None, holder) and latest[span.owner_id] == number:
            due[number] = decayed(policy.former_owner_share, (day - end).days, policy.decay_days)
    total = sum(due.values(), Decimal())
    if total > 1:
        due = {number: credit / total for number, credit in due.items()}
    rest = 1 - min(total, Decimal(1))
    return [
        Tenure(
            owner_id=span.owner_id,
            from_time=span.from_time,
            to_time=span.to_time,
            credit=rest if span.to_time is None else due.get(number, Decimal()),
            days_since=(day - end).days if span.to_time is not None else 0,
        )
        for number, (span, end) in enumerate(zip(spans, ends, strict=True))
        if span.owner_id is not None
    ]
