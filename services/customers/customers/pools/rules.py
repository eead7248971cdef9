"""What a pool's rules say, judged and with their defaults.

The defaults are those of the trade, with two differences that users of other products ask for: claims count gross,
so that to release a customer wins no claim back, and waits count from the day a customer left its owner or entered the
pool, whatever was edited since.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Self

from chassis.errors import Invalid, Violation
from chassis.rules import apply, optional_text, refuse

_MOST = 1_000_000
_MOST_DAYS = 3650


class Trigger(StrEnum):
    """What a recycle rule waits for. The names are those of `RecycleTrigger`."""

    NO_FOLLOW_UP = "NO_FOLLOW_UP"
    NO_OPPORTUNITY = "NO_OPPORTUNITY"
    NOT_WON = "NOT_WON"


class Protection(StrEnum):
    """What keeps a customer with its owner. The names are those of `Protection` in the contracts."""

    WON = "WON"
    LOCKED = "LOCKED"
    OPEN_OPPORTUNITY = "OPEN_OPPORTUNITY"
    OVERDUE_RECEIVABLE = "OVERDUE_RECEIVABLE"
    OPEN_TICKET = "OPEN_TICKET"


class PlanPolicy(StrEnum):
    """What becomes of plans for a customer that enters a pool. The names are those of `PlanPolicy`."""

    CLOSE = "CLOSE"
    KEEP = "KEEP"


@dataclass(frozen=True)
class RecycleRule:
    """When customers fall back into a pool by themselves."""

    trigger: Trigger = Trigger.NO_FOLLOW_UP
    days_by_level: Mapping[str, int] = field(default_factory=dict)
    days: int = 30
    """Of customers whose level is not in the table."""
    warning_days: tuple[int, ...] = (3, 1)
    """So many days before the one on which the customer falls back its owner is warned."""
    unprotected: tuple[Protection, ...] = ()
    ceiling_days: int = 180
    """After so many days without a follow-up a protected customer falls back too; 0 for never."""
    max_extension_days: int = 5
    max_extensions: int = 1
    """How many an owner may get for one customer as long as they hold it."""

    def __post_init__(self) -> None:
        faults = [
            *_outside("recycle.days", self.days, 1, _MOST_DAYS),
            *_outside("recycle.ceiling_days", self.ceiling_days, 0, _MOST_DAYS),
            *_outside("recycle.max_extension_days", self.max_extension_days, 0, _MOST_DAYS),
            *_outside("recycle.max_extensions", self.max_extensions, 0, _MOST_DAYS),
        ]
        for level, days in self.days_by_level.items():
            faults += _outside(f"recycle.days_by_level.{level[:10]}", days, 1, _MOST_DAYS)
        for days in self.warning_days:
            faults += _outside("recycle.warning_days", days, 1, _MOST_DAYS)
        refuse(faults)

    def days_of(self, level: str | None) -> int:
        """How many days the clock of a customer of a level runs."""
        return self.days_by_level.get(level or "", self.days)

    def protects(self, protection: Protection) -> bool:
        """Whether a state of affairs keeps a customer with its owner."""
        return protection not in self.unprotected


@dataclass(frozen=True)
class PoolRules:
    """The rules of a pool on a day."""

    hold_limit: int = 50
    won_count: bool = False
    lock_limit: int = 10
    daily_claim_limit: int = 10
    former_owner_wait_days: int = 7
    entry_wait_hours: int = 0
    daily_view_limit: int = 50
    offline_grace_minutes: int = 0
    """So long claims that were made offline may come in; 0 to decide each when it comes in."""
    plans: PlanPolicy = PlanPolicy.CLOSE
    recycle: RecycleRule | None = None

    def __post_init__(self) -> None:
        refuse(
            [
                *_outside("hold_limit", self.hold_limit, 0, _MOST),
                *_outside("lock_limit", self.lock_limit, 0, _MOST),
                *_outside("daily_claim_limit", self.daily_claim_limit, 0, _MOST),
                *_outside("former_owner_wait_days", self.former_owner_wait_days, 0, _MOST_DAYS),
                *_outside("entry_wait_hours", self.entry_wait_hours, 0, 24 * _MOST_DAYS),
                *_outside("daily_view_limit", self.daily_view_limit, 0, _MOST),
                *_outside("offline_grace_minutes", self.offline_grace_minutes, 0, 24 * 60),
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """The form in which they are kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read the form in which they are kept."""
        recycle = values.get("recycle")
        return cls(**{**values, "plans": PlanPolicy(values["plans"]), "recycle": recycle and _recycle(recycle)})


def _recycle(values: Mapping[str, Any]) -> RecycleRule:
    return RecycleRule(
        **{
            **values,
            "trigger": Trigger(values["trigger"]),
            "warning_days": tuple(values["warning_days"]),
            "unprotected": tuple(map(Protection, values["unprotected"])),
        }
    )


def _outside(name: str, value: int, least: int, most: int) -> list[Violation]:
    if least <= value <= most:
        return []
    return [Violation(f"rules.{name}", "OUT_OF_RANGE", f"it must be from {least:,} to {most:,}")]


def reason_code(value: str) -> str:
    """A code for why: capital letters, digits and underscores. Raises Invalid."""
    code = value.strip()
    if not code:
        raise Invalid("REQUIRED", "say why by a code, e.g. NO_BUDGET", field="reason")
    if len(code) > 50 or not code.isascii() or not code.replace("_", "A").isalnum() or code != code.upper():
        raise Invalid("INVALID_REASON", "a reason is a code of capital letters, e.g. NO_BUDGET", field="reason")
    return code


_NOTE = {"note": partial(optional_text, maximum=500, lines=True)}


def note_text(value: str) -> str:
    """Why, in words; may be empty. Raises Invalid."""
    stored, faults = apply(_NOTE, {"note": value}, str)
    refuse(faults)
    return stored["note"] or ""
