"""What the fields of tasks may hold, and the form they are kept in: see `chassis.rules`."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from chassis.errors import Invalid
from chassis.rules import Rule, choice, optional_text, required_text

from leads.model import UNENDED, TaskPriority
from leads.tasks import recurrence

MAX_TITLE = 200
MAX_ITEMS = 50
MAX_REMIND_MINUTES = 40_320
REMIND_MINUTES = 60
"""How long before it is due the assignee of a task is reminded that says nothing else."""


def checklist(items: Sequence[tuple[str, bool]]) -> list[dict[str, Any]]:
    """The items of a checklist."""
    if len(items) > MAX_ITEMS:
        raise Invalid("TOO_MANY", f"at most {MAX_ITEMS} fit", maximum=MAX_ITEMS)
    return [{"text": required_text(text, maximum=MAX_TITLE), "done": done} for text, done in items]


def remind_minutes(value: int | None) -> int:
    """How long before it is due a task reminds."""
    if value is None:
        return REMIND_MINUTES
    if not 0 <= value <= MAX_REMIND_MINUTES:
        raise Invalid("OUT_OF_RANGE", f"it goes from 0 to {MAX_REMIND_MINUTES:,} minutes")
    return value


def status(value: str) -> str:
    """A status that an update sets."""
    if value not in UNENDED:
        raise Invalid("INVALID_STATUS", "set OPEN or IN_PROGRESS; to end a task, complete or cancel it")
    return value


TASK_RULES: Mapping[str, Rule] = {
    "title": partial(required_text, maximum=MAX_TITLE),
    "description": partial(optional_text, maximum=5_000, lines=True),
    "priority": partial(choice, values=TaskPriority, reason="INVALID_PRIORITY"),
    "status": status,
    "checklist": checklist,
    "recurrence": recurrence.parse,
    "required": bool,
    "remind_minutes": remind_minutes,
}
"""The rule of each field that a caller states, save those that need more than themselves."""

REASON_RULES: Mapping[str, Rule] = {"reason": partial(required_text, maximum=500, lines=True)}
"""The same for a cancellation."""
