"""Until when: times reckoned by the organisation's zone and working calendar."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from chassis.calendars import WorkingCalendar, no_working_time
from chassis.errors import Invalid

MOST = 1_000
_SEARCHED_DAYS = 4 * MOST
"""So many days hold the most working days that can be asked for, unless hardly any work is ever done."""


class DueUnit(StrEnum):
    """What a time is reckoned in. The names are those of `crm.leads.v1.DueUnit`."""

    WORKING_HOURS = "WORKING_HOURS"
    WORKING_DAYS = "WORKING_DAYS"
    HOURS = "HOURS"
    DAYS = "DAYS"


@dataclass(frozen=True)
class DueRule:
    """A time after a moment. Raises Invalid OUT_OF_RANGE for an amount that no rule has."""

    amount: int
    unit: DueUnit

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= MOST:
            raise Invalid("OUT_OF_RANGE", f"the amount goes from 0 to {MOST:,}", field="due_rule.amount")

    def after(self, moment: datetime, calendar: WorkingCalendar) -> datetime:
        """The time so much after a moment, in UTC. Raises Conflict NO_WORKING_TIME."""
        match self.unit:
            case DueUnit.WORKING_HOURS:
                return calendar.add_working_time(moment, timedelta(hours=self.amount))
            case DueUnit.WORKING_DAYS:
                return _end_of_work(moment, self.amount, calendar)
            case DueUnit.HOURS:
                return (moment + timedelta(hours=self.amount)).astimezone(UTC)
            case DueUnit.DAYS:
                # By the wall clock: the same time of day, however long the days between are.
                return (moment.astimezone(calendar.zone) + timedelta(days=self.amount)).astimezone(UTC)

    def to_json(self) -> dict[str, Any]:
        """The form it is kept in."""
        return {"amount": self.amount, "unit": self.unit.value}

    @staticmethod
    def from_json(kept: dict[str, Any]) -> "DueRule":
        """From the form it is kept in."""
        return DueRule(kept["amount"], DueUnit(kept["unit"]))


def _end_of_work(moment: datetime, days: int, calendar: WorkingCalendar) -> datetime:
    """When work ends on the last of so many working days after a moment's day; of that day or the next one for none."""
    day = moment.astimezone(calendar.zone).date()
    left = days
    for _ in range(_SEARCHED_DAYS):
        if calendar.is_working_day(day) and left <= 0 and _end(day, calendar) >= moment:
            return _end(day, calendar)
        day += timedelta(days=1)
        left -= calendar.is_working_day(day)
    raise no_working_time()


def _end(day: date, calendar: WorkingCalendar) -> datetime:
    midnight = datetime.combine(day, datetime.min.time(), calendar.zone)
    minutes = calendar.windows_of(day)[-1].end
    return (midnight + timedelta(minutes=minutes)).astimezone(UTC)
