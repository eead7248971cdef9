"""Plans as iCalendar (RFC 5545), for calendars that are published, not negotiated: see METHOD:PUBLISH of RFC 5546.

A plan is one UID for ever. Its SEQUENCE rises whenever it is moved or cancelled. An occurrence of which something
became
by itself is a component of its own with a RECURRENCE-ID. Times are by the clock of the plan's zone, which is described.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from icalendar import Alarm, Calendar, Event, vRecur

from leads.model import Plan, PlanDeviation, PlanStatus
from leads.plans.recurrence import Slot

PRODUCT = "-//CRM//Plans//EN"

_STATUS = {PlanStatus.PLANNED: "CONFIRMED", PlanStatus.DONE: "CONFIRMED", PlanStatus.CANCELLED: "CANCELLED"}
_YEAR = timedelta(days=366)


@dataclass(frozen=True)
class Item:
    """A plan in somebody's calendar."""

    plan: Plan
    deviations: Sequence[PlanDeviation]
    subject_title: str
    reminder_minutes: Sequence[int]


@dataclass(frozen=True)
class Due:
    """A time at which somebody is to get in touch with a customer again, or a task is due."""

    id: UUID
    category: str
    title: str
    time: datetime
    told_time: datetime
    """When it became what it is now."""


def to_icalendar(items: Sequence[Item], dues: Sequence[Due], cancelled_since: datetime) -> bytes:
    """A calendar. Of single occurrences that were called off before a time, it says no more than that they are none."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    for item in items:
        for event in _events(item, cancelled_since):
            calendar.add_component(event)
    for due in dues:
        calendar.add_component(_due(due))
    _describe_zones(calendar, items)
    data: bytes = calendar.to_ical()
    return data


def _describe_zones(calendar: Calendar, items: Sequence[Item]) -> None:
    """What the clocks of the zones do from the earliest to the latest time in the calendar, and for years after it,
    in which plans recur on."""
    if items:
        first = min(item.plan.start_time for item in items).date() - _YEAR
        last = max(item.plan.end_time for item in items).date() + 10 * _YEAR
        calendar.add_missing_timezones(first_date=first, last_date=last)


def _events(item: Item, cancelled_since: datetime) -> Iterator[Event]:
    plan = item.plan
    whole = _event(item, Slot(plan.start_time, plan.end_time), plan.status)
    if plan.recurrence is not None:
        whole.add("rrule", vRecur.from_ical(plan.recurrence))
    apart = []
    for row in item.deviations:
        original = _time(plan, row.original_start)
        if row.status == PlanStatus.CANCELLED and row.update_time <= cancelled_since:
            whole.add("exdate", original, parameters={"VALUE": "DATE"} if plan.all_day else {})
            continue
        status = plan.status if plan.status == PlanStatus.CANCELLED else row.status
        one = _event(item, Slot(row.start_time, row.end_time), status)
        one.add("recurrence-id", original)
        apart.append(one)
    yield whole
    yield from apart


def _event(item: Item, slot: Slot, status: str) -> Event:
    plan = item.plan
    event = Event()
    event.add("uid", str(plan.id))
    event.add("dtstamp", plan.update_time)
    event.add("created", plan.create_time)
    event.add("last-modified", plan.update_time)
    event.add("sequence", plan.sequence)
    event.add("summary", plan.title)
    event.add("dtstart", _time(plan, slot.start))
    event.add("dtend", _time(plan, slot.end))
    event.add("status", _STATUS[PlanStatus(status)])
    event.add("categories", [plan.kind])
    if plan.private:
        event.add("class", "PRIVATE")
    if plan.place:
        event.add("location", plan.place)
    if description := "\n".join(filter(None, (item.subject_title, ", ".join(plan.guests)))):
        event.add("description", description)
    if status == PlanStatus.PLANNED:
        for minutes in item.reminder_minutes:
            event.add_component(_alarm(plan.title, minutes))
    return event


def _alarm(title: str, minutes: int) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", -timedelta(minutes=minutes))
    return alarm


def _due(due: Due) -> Event:
    """A point in time, which keeps nobody busy."""
    event = Event()
    event.add("uid", str(due.id))
    event.add("dtstamp", due.told_time)
    event.add("summary", due.title)
    event.add("dtstart", due.time)
    event.add("transp", "TRANSPARENT")
    event.add("categories", [due.category])
    return event


def _time(plan: Plan, moment: datetime) -> date | datetime:
    """A moment as the calendar says it: by the plan's clock, or as a day."""
    local = moment.astimezone(ZoneInfo(plan.time_zone))
    return local.date() if plan.all_day else local
