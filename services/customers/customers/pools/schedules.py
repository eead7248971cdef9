"""When customers of a pool are allocated by themselves, and among whom."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, time, timedelta
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import parse_name
from sqlalchemy import or_, select

from customers.model import KnownDepartment, KnownUser
from customers.model.pools import Pool, PoolRole
from customers.pools.allocation_order import MOST_CUSTOMERS, MOST_RECEIVERS, Order, Strategy, Wanted

_WEEK = 7


@dataclass(frozen=True)
class Schedule:
    """When customers are allocated, and among whom."""

    strategy: Strategy
    at: str
    """The time of day, e.g. `08:30`."""
    weekdays: tuple[int, ...] = ()
    """1 for Monday to 7 for Sunday; every day if empty."""
    most: int = MOST_CUSTOMERS
    receivers: tuple[str, ...] = ()
    """`users/{uuid}` or `departments/{uuid}`; the members of the pool if empty."""
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _time(self.at)
        if any(not 1 <= day <= _WEEK for day in self.weekdays):
            message = "a day of the week is from 1 for Monday to 7 for Sunday"
            raise Invalid("OUT_OF_RANGE", message, field="schedule.weekdays")
        if not 1 <= self.most <= MOST_CUSTOMERS:
            message = f"allocate from 1 to {MOST_CUSTOMERS:,} customers"
            raise Invalid("OUT_OF_RANGE", message, field="schedule.max_customers")

    def to_json(self) -> dict[str, Any]:
        """The form in which it is kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read the form in which it is kept."""
        lists = {key: tuple(values[key]) for key in ("weekdays", "receivers", "absent")}
        return cls(**{**values, **lists, "strategy": Strategy(values["strategy"])})

    def last_due(self, now: datetime, zone: ZoneInfo) -> datetime:
        """The last time that it was due, now included."""
        local = now.astimezone(zone)
        for back in range(_WEEK + 1):
            due = datetime.combine(local.date() - timedelta(days=back), _time(self.at), zone)
            if due <= local and (not self.weekdays or due.isoweekday() in self.weekdays):
                return due
        raise AssertionError("each day of the week comes within a week")


def _time(written: str) -> time:
    try:
        read = time.fromisoformat(written)
    except ValueError:
        read = None
    if read is None or read.isoformat("minutes") != written:  # fromisoformat also reads seconds and offsets
        raise Invalid("INVALID_TIME", "a time of day is written as 08:30", field="schedule.time")
    return read


def check_people(session: ServiceSession, schedule: Schedule) -> None:
    """Raise Invalid for receivers that do not exist."""
    for path, names in (("schedule.receivers", schedule.receivers), ("schedule.absent", schedule.absent)):
        users, departments = _split(names, path)
        if departments and path.endswith("absent"):
            raise Invalid("INVALID_NAME", "name users", field=path)
        known = {*session.scalars(select(KnownUser.id).where(KnownUser.id.in_(users)))}
        known |= {*session.scalars(select(KnownDepartment.id).where(KnownDepartment.id.in_(departments)))}
        if missing := [one for one in (*users, *departments) if one not in known]:
            raise Invalid("UNKNOWN_MEMBER", f"there is nobody with the id {missing[0]}", field=path)


def _split(names: Sequence[str], path: str) -> tuple[list[UUID], list[UUID]]:
    users = [parse_name("users", one, field=path) for one in names if not one.startswith("departments/")]
    departments = [parse_name("departments", one, field=path) for one in names if one.startswith("departments/")]
    return users, departments


def order_of(session: ServiceSession, pool: Pool, schedule: Schedule) -> Order | None:
    """What a schedule wants allocated today; None if nobody receives."""
    users, departments = _split(schedule.receivers or pool.grantees(PoolRole.MEMBER), "receivers")
    paths = session.scalars(select(KnownDepartment.path).where(KnownDepartment.id.in_(departments))).all()
    below = [KnownUser.department_path.startswith(path, autoescape=True) for path in paths]
    statement = select(KnownUser.id).where(KnownUser.active, or_(KnownUser.id.in_(users), *below))
    found = session.scalars(statement.order_by(KnownUser.id).limit(MOST_RECEIVERS)).all()
    absent = set(schedule.absent)
    receivers = [Wanted(one, absent=f"users/{one}" in absent) for one in found]
    return Order(receivers, most=schedule.most) if receivers else None
