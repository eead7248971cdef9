"""What every service knows of the organisation: its time zone, currency, fiscal year and working calendar.

The service that keeps the organisation announces it as a whole, with a version, by `OrganisationChanged`. Every other
service adds `subscription(name)` to its own, and has the newest state in its own database; until the first event what
the settings say holds. `organisation(session)` reads it, once a second and process at most.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from crm.identity.v1 import events_pb2
from google.protobuf.json_format import MessageToDict
from sqlalchemy import CheckConstraint, Connection, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from chassis.bus.handlers import Received, Subscription
from chassis.calendars import Window, WorkingCalendar
from chassis.db import ChassisTables, Database, ServiceSession

FRESH_SECONDS = 1.0
"""How long a process goes by what it read last."""

_CHANGED = "organisation changed"


class KnownOrganisation(ChassisTables):
    """The one row that holds the newest state announced."""

    __tablename__ = "known_organisation"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    version: Mapped[int]
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The event in its JSON form, with the contract's names."""
    learn_time: Mapped[datetime]


def create_table(bind: Connection) -> None:
    """Create the table. For a revision of a service whose database is older than the table."""
    KnownOrganisation.metadata.tables[KnownOrganisation.__tablename__].create(bind, checkfirst=True)


@dataclass(frozen=True)
class Organisation:
    """The organisation at one version."""

    version: int
    """0 for what the settings say."""
    calendar: WorkingCalendar
    display_name: str = ""
    locale: str = "zh-CN"
    """The language of texts for people who have chosen none."""
    currency: str = "CNY"
    """An ISO 4217 code."""
    fiscal_year_start: tuple[int, int] = (1, 1)
    """Month and day."""
    first_day_of_week: int = 0
    """Monday being 0, as in `date.weekday`."""
    statutory_until_year: int | None = field(default=None)
    """The last year whose public holidays are known, None if no statutory calendar is followed. Of later years the
    calendar only knows what the organisation itself has entered."""

    @property
    def zone(self) -> ZoneInfo:
        """The zone that days, weeks and working hours are reckoned in."""
        return self.calendar.zone

    def day_of(self, moment: datetime) -> date:
        """The day that a moment falls on."""
        return moment.astimezone(self.zone).date()

    def fiscal_year(self, day: date) -> int:
        """The fiscal year of a day, by the calendar year that it begins in."""
        return day.year if (day.month, day.day) >= self.fiscal_year_start else day.year - 1


_OFFICE_HOURS = (Window(9 * 60, 12 * 60), Window(13 * 60, 18 * 60))
DEFAULT_WEEK: Mapping[int, tuple[Window, ...]] = dict.fromkeys(range(5), _OFFICE_HOURS)
"""When work is done until the organisation says otherwise."""


@cache
def _unannounced(zone: ZoneInfo) -> Organisation:
    return Organisation(0, WorkingCalendar(zone, DEFAULT_WEEK))


@dataclass(frozen=True)
class _Known:
    value: Organisation
    until: float


_known: WeakKeyDictionary[Database, _Known] = WeakKeyDictionary()


def organisation(session: ServiceSession) -> Organisation:
    """The organisation as this service knows it, at most a second old."""
    database = session.database
    known = _known.get(database)
    if known is not None and known.until > time.monotonic() and _CHANGED not in session.info:
        return known.value
    row = session.execute(select(KnownOrganisation.version, KnownOrganisation.state)).one_or_none()
    if row is None:
        value = _unannounced(database.zone)
    elif known is not None and known.value.version == row.version:
        value = known.value
    else:
        value = _read(row.version, row.state)
    if _CHANGED not in session.info:  # else it may yet be rolled back
        _known[database] = _Known(value, time.monotonic() + FRESH_SECONDS)
    return value


def learn(session: ServiceSession, state: Mapping[str, Any]) -> None:
    """Keep a state of the organisation, given in the form of `OrganisationChanged`. An older one changes nothing."""
    values = {"id": 1, "version": int(state["version"]), "state": dict(state), "learn_time": session.now}
    statement = insert(KnownOrganisation).values(**values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={key: value for key, value in values.items() if key != "id"},
            where=KnownOrganisation.version < statement.excluded.version,
        )
    )
    session.info[_CHANGED] = True


def subscription(service: str) -> Subscription:
    """What a service adds to its subscriptions to keep up with the organisation."""
    return Subscription("identity", ("OrganisationChanged",), f"{service}.company", _keep_up, keeps_state=True)


def _keep_up(session: ServiceSession, received: Received) -> None:
    message = received.message(events_pb2.OrganisationChanged)
    learn(session, MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))


def _read(version: int, state: Mapping[str, Any]) -> Organisation:
    weekly = {int(item["day"]) - 1: _windows(item["windows"]) for item in state["weekly"]}
    special = {
        date.fromisoformat(item["day"]): None if item["ordinary"] else _windows(item["windows"])
        for item in state["special"]
    }
    return Organisation(
        version=version,
        calendar=WorkingCalendar(ZoneInfo(state["time_zone"]), weekly, special),
        display_name=state["display_name"],
        locale=state["locale"],
        currency=state["currency"],
        fiscal_year_start=(state["fiscal_year_start_month"], state["fiscal_year_start_day"]),
        first_day_of_week=state["first_day_of_week"] - 1,
        statutory_until_year=state["statutory_until_year"] or None,
    )


def _windows(texts: Sequence[str]) -> tuple[Window, ...]:
    return tuple(Window.parse(*text.split("-")) for text in texts)
