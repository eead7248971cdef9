"""Warn owners of customers that fall back soon: each once per day on which the customer falls back and rule."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.db import ServiceSession
from chassis.names import make_name, new_id
from chassis.notifications import NotificationRaised
from sqlalchemy import Integer, case, cast, delete, literal, select, true
from sqlalchemy.dialects.postgresql import insert

from customers.days import today
from customers.model import Customer, RecycleWarning
from customers.recycling.clocks import Clocks

BATCH = 1_000
"""Customers whose owners are warned in one transaction."""
KEPT = timedelta(days=90)
_CUSTOMER, _WARNING = Customer.__table__.c, RecycleWarning.__table__.c


def warn_owners(session: ServiceSession, after: UUID | None = None, *, most: int = BATCH) -> tuple[UUID | None, int]:
    """Warn the owners of the next customers, by id. Returns the last one looked at, None at the end, and how many
    warnings were sent.

    A warning that was missed, or that a changed rule asks for late, is sent for the days that are left.
    """
    clocks, day = Clocks(session, today(session)), today(session)
    furthest = max((max(one.recycle.warning_days, default=0) for one in clocks.pools if one.recycle), default=0)
    left = cast(clocks.due_date - cast(literal(day), clocks.due_date.type), Integer)
    before = cast(clocks.by_pool(lambda rule: _step(left, rule.warning_days)), Integer)
    sent = select(_WARNING.customer_id).where(
        _WARNING.customer_id == _CUSTOMER.id,
        _WARNING.owner_id == _CUSTOMER.owner_id,
        _WARNING.due_date == clocks.due_date,
        _WARNING.days_before == before,
    )
    statement = clocks.select(
        _CUSTOMER.id,
        _CUSTOMER.owner_id,
        _CUSTOMER.display_name,
        clocks.due_date.label("due_date"),
        before.label("days_before"),
    ).where(
        clocks.due_by(day + timedelta(days=furthest)),
        clocks.due_date > day,
        before.is_not(None),
        ~sent.exists(),
        _CUSTOMER.id > after if after is not None else true(),
    )
    rows = session.execute(statement.order_by(_CUSTOMER.id).limit(most)).all()
    return (rows[-1].id if rows else None), _send(session, rows, day)


def forget_warnings(session: ServiceSession) -> None:
    """Remove the notes of warnings whose day is long past."""
    session.execute(delete(RecycleWarning).where(RecycleWarning.due_date < today(session) - KEPT))


def _step(left: Any, warning_days: Sequence[int]) -> Any:
    """The warning that it is time for: that with the fewest days before that are not fewer than those left."""
    return case(*[(left <= days, days) for days in sorted(warning_days)], else_=None)


def _send(session: ServiceSession, rows: Sequence[Any], day: date) -> int:
    if not rows:
        return 0
    values = [
        {
            "customer_id": row.id,
            "owner_id": row.owner_id,
            "due_date": row.due_date,
            "days_before": row.days_before,
            "send_time": session.now,
        }
        for row in rows
    ]
    statement = insert(RecycleWarning).on_conflict_do_nothing().returning(RecycleWarning.customer_id)
    noted = set(session.scalars(statement, values))
    warnings = [_notification(session, row, day) for row in rows if row.id in noted]
    outbox.emit_all(session, warnings)
    return len(warnings)


def _notification(session: ServiceSession, row: Any, day: date) -> NotificationRaised:
    params = {
        "customer_name": row.display_name,
        "due_date": row.due_date.isoformat(),
        "days_left": str((row.due_date - day).days),
    }
    return NotificationRaised(
        id=str(new_id()),
        recipient=make_name("users", row.owner_id),
        kind="RECYCLE_WARNING",
        resource=make_name("customers", row.id),
        params=params,
        raise_time=session.now,
    )
