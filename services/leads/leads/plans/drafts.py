"""Plans as people state them, and what must be right of them whoever makes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from chassis.errors import Invalid, Violation
from chassis.rules import apply, choice, optional_text, refuse, required_text

from leads.model import PlanKind
from leads.plans.recurrence import EARLIEST, LATEST, LONGEST, Series, check_zone, moment_of, parse_rule
from leads.subjects import Subject

MAX_TITLE = 200
MAX_RESULT = 5_000
MAX_REASON = 500
MAX_PEOPLE = 50
MAX_OTHERS = 20
MAX_REMINDERS = 5
LONGEST_REMINDER = 28 * 24 * 60
DEFAULT_REMINDERS = (15,)


@dataclass(frozen=True)
class Times:
    """When a plan takes place, as somebody states it."""

    start: datetime | None
    end: datetime | None
    time_zone: str
    all_day: bool = False

    def checked(self) -> Series:
        """The series of one that it makes. Raises Invalid OUT_OF_RANGE, INVALID_PLAN_TIMES, UNKNOWN_TIME_ZONE."""
        zone = check_zone(self.time_zone)
        if self.start is None or self.end is None:
            field = "start_time" if self.start is None else "end_time"
            raise Invalid("REQUIRED", "say when it begins and when it ends", field=field)
        if not EARLIEST <= self.start < LATEST:
            message = f"a plan begins in {EARLIEST.year} or later, before {LATEST.year}"
            raise Invalid("OUT_OF_RANGE", message, field="start_time")
        if not self.start < self.end <= self.start + LONGEST:
            message = f"a plan ends after it begins, and takes at most {LONGEST.days} days"
            raise Invalid("INVALID_PLAN_TIMES", message, field="end_time")
        series = Series(self.start, self.end, zone, self.all_day)
        for field, moment in (("start_time", self.start), ("end_time", self.end)):
            midnight = datetime.combine(series.day_of(moment), datetime.min.time())
            if self.all_day and moment != moment_of(midnight, series.zone):
                message = "what takes whole days begins and ends at a midnight of its time zone"
                raise Invalid("NOT_MIDNIGHT", message, field=field)
        return series


@dataclass(frozen=True)
class PlanDraft:
    """A plan as whoever makes it states it."""

    values: Mapping[str, Any]
    """Raw values by field, see `PLAN_RULES`."""
    times: Times
    recurrence: str = ""
    subject: Subject | None = None
    assignee_id: UUID | None = None
    participant_ids: Sequence[UUID] = ()


def reminder_minutes(values: Sequence[int]) -> list[int]:
    """How many minutes before a start somebody is reminded, the earliest first. Raises Invalid OUT_OF_RANGE."""
    if len(set(values)) > MAX_REMINDERS or not all(0 <= value <= LONGEST_REMINDER for value in values):
        message = f"up to {MAX_REMINDERS} values from 0 to {LONGEST_REMINDER:,} minutes fit"
        raise Invalid("OUT_OF_RANGE", message, field="reminder_minutes")
    return sorted(set(values), reverse=True)


def _texts(values: Sequence[str]) -> list[str]:
    _few(values)
    return list(dict.fromkeys(required_text(value, maximum=MAX_TITLE) for value in values))


def _few(values: Sequence[Any]) -> list[Any]:
    if len(values) > MAX_OTHERS:
        raise Invalid("TOO_MANY", f"at most {MAX_OTHERS} fit", maximum=MAX_OTHERS)
    return list(dict.fromkeys(values))


PLAN_RULES: Mapping[str, Callable[[Any], Any]] = {
    "kind": partial(choice, values=PlanKind, reason="UNKNOWN_PLAN_KIND"),
    "title": partial(required_text, maximum=MAX_TITLE),
    "place": partial(optional_text, maximum=MAX_TITLE),
    "contacts": _few,
    "guests": _texts,
    "reminder_minutes": reminder_minutes,
    "private": bool,
}
"""What may be stated of a plan by itself, and the form in which it is kept."""


def stored_values(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Violation]]:
    """Values by column, and what is wrong with those that cannot be right."""
    return apply(PLAN_RULES, values, lambda path: "contact_ids" if path == "contacts" else path)


def check_draft(draft: PlanDraft) -> tuple[dict[str, Any], Series]:
    """A new plan's values by column, and when it takes place. Raises Invalid, naming every field at fault."""
    given = {"kind": "", "title": "", "place": "", "contacts": [], "guests": [], "private": False}
    stored, faults = stored_values({**given, "reminder_minutes": DEFAULT_REMINDERS, **draft.values})
    series = None
    try:
        series = draft.times.checked()
        if draft.recurrence:
            series = replace(series, rule=parse_rule(draft.recurrence, series))
    except Invalid as error:
        faults += error.violations
    refuse(faults)
    assert series is not None
    return stored, series


def short_text(value: str, field: str, maximum: int) -> str | None:
    """A text that says what came of a plan, or why it was called off. Raises Invalid."""
    try:
        return optional_text(value, maximum=maximum, lines=True)
    except Invalid as error:
        raise Invalid(error.reason, error.message, field=field) from error
