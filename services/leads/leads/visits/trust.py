"""How far a check-in is to be trusted: a pure judgement with reasons, that refuses nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from chassis.errors import Violation
from chassis.rules import refuse

from leads.geo import Position, distance
from leads.model import Geofence

RULES = "visitRules"
"""The resource name of the rules."""
BEST = 100


class TrustReason(StrEnum):
    """What speaks against a check-in. The names are those of `crm.leads.v1.TrustReason`."""

    POOR_ACCURACY = "POOR_ACCURACY"
    MOCK_LOCATION = "MOCK_LOCATION"
    IMPOSSIBLE_TRAVEL = "IMPOSSIBLE_TRAVEL"
    REPEATED_PHOTO = "REPEATED_PHOTO"
    DEVICE_TIME_OFF = "DEVICE_TIME_OFF"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    SHARED_DEVICE = "SHARED_DEVICE"
    TIME_REPORTED = "TIME_REPORTED"


WEIGHTS: Mapping[str, int] = {
    TrustReason.POOR_ACCURACY: 15,
    TrustReason.MOCK_LOCATION: 60,
    TrustReason.IMPOSSIBLE_TRAVEL: 60,
    TrustReason.REPEATED_PHOTO: 50,
    TrustReason.DEVICE_TIME_OFF: 20,
    TrustReason.OUT_OF_RANGE: 30,
    TrustReason.SHARED_DEVICE: 25,
    TrustReason.TIME_REPORTED: 20,
}
"""By how much each lowers the score unless the company says otherwise: what is no accident goes below the threshold by
itself, what may be one does so with another."""

_RANGES: Mapping[str, tuple[int, int]] = {
    "radius_metres": (10, 50_000),
    "accuracy_allowance_metres": (0, 5_000),
    "poor_accuracy_metres": (1, 100_000),
    "max_speed_kmh": (1, 2_000),
    "max_clock_seconds": (1, 86_400),
    "shared_device_days": (0, 365),
    "review_threshold": (0, BEST),
    "max_visit_hours": (1, 168),
    "keep_positions_days": (1, 3_650),
}


@dataclass(frozen=True)
class VisitRules:
    """By what check-ins are judged. The company sets them; these are what it begins with."""

    radius_metres: int = 200
    accuracy_allowance_metres: int = 50
    """The most by which a position's inexactness widens the fence: who states to be anywhere is not everywhere."""
    poor_accuracy_metres: int = 150
    max_speed_kmh: int = 400
    """Above that of trains; flights are slower than that from one customer's door to the next."""
    max_clock_seconds: int = 300
    shared_device_days: int = 30
    review_threshold: int = 60
    max_visit_hours: int = 12
    keep_positions_days: int = 180
    weights: Mapping[str, int] = field(default_factory=lambda: dict(WEIGHTS))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """From the form they are stored in; what is missing there is as in the beginning."""
        weights = {**WEIGHTS, **stored.get("weights", {})}
        return replace(cls(), **{**dict(stored), "weights": weights})

    def to_json(self) -> dict[str, Any]:
        """The form they are stored in."""
        return asdict(self) | {"weights": {str(reason): weight for reason, weight in self.weights.items()}}

    def checked(self) -> Self:
        """The rules with a weight for each reason. Raises Invalid, naming every field at fault."""
        faults = [
            Violation(name, "OUT_OF_RANGE", f"it must be from {low:,} to {high:,}")
            for name, (low, high) in _RANGES.items()
            if not low <= getattr(self, name) <= high
        ]
        if not all(0 <= weight <= BEST for weight in self.weights.values()):
            faults.append(Violation("weights", "OUT_OF_RANGE", f"a weight is from 0 to {BEST}"))
        if unknown := set(self.weights) - set(TrustReason):
            message = f"{min(unknown)[:50]!r} is none of {', '.join(TrustReason)}"
            faults.append(Violation("weights", "INVALID_VALUE", message))
        refuse(faults)
        return replace(self, weights={**WEIGHTS, **self.weights})


@dataclass(frozen=True)
class Seen:
    """Where somebody was at a time."""

    position: Position
    time: datetime


@dataclass(frozen=True)
class Evidence:
    """What a check-in is judged by."""

    here: Seen
    """By the server's clock, unless `time_reported`."""
    geofence: Geofence
    mock_location: bool = False
    device_time: datetime | None = None
    before: Seen | None = None
    """The person's check-in before."""
    shared_device: bool = False
    """True if somebody else has checked in with the device of late."""
    repeated_photo: bool = False
    time_reported: bool = False
    """True if only the device says when it was."""


def fence(rules: VisitRules, metres: float | None, accuracy_metres: float) -> Geofence:
    """Whether a position is within the fence, at a distance from its middle; None if nobody knows where that is.

    The benefit of the doubt goes to the person, up to the allowance: somebody 230 m away within 40 m may be inside 200.
    """
    if metres is None:
        return Geofence.UNKNOWN
    allowance = min(accuracy_metres, rules.accuracy_allowance_metres)
    return Geofence.INSIDE if metres - allowance <= rules.radius_metres else Geofence.OUT_OF_RANGE


def impossible(rules: VisitRules, before: Seen, here: Seen) -> bool:
    """Whether nobody gets from one place to the other in that time. Inexact positions may lie closer to each other."""
    metres = distance(before.position, here.position)
    metres -= before.position.accuracy_metres + here.position.accuracy_metres
    seconds = max((here.time - before.time).total_seconds(), 1.0)
    return metres / seconds * 3.6 > rules.max_speed_kmh


def judge(rules: VisitRules, evidence: Evidence) -> tuple[TrustReason, ...]:
    """What speaks against a check-in, in the order of `TrustReason`."""
    here, device_time = evidence.here, evidence.device_time
    off = abs((device_time - here.time).total_seconds()) if device_time is not None else 0.0
    found = {
        TrustReason.POOR_ACCURACY: here.position.accuracy_metres > rules.poor_accuracy_metres,
        TrustReason.MOCK_LOCATION: evidence.mock_location,
        TrustReason.IMPOSSIBLE_TRAVEL: evidence.before is not None and impossible(rules, evidence.before, here),
        TrustReason.REPEATED_PHOTO: evidence.repeated_photo,
        TrustReason.DEVICE_TIME_OFF: off > rules.max_clock_seconds,
        TrustReason.OUT_OF_RANGE: evidence.geofence is Geofence.OUT_OF_RANGE,
        TrustReason.SHARED_DEVICE: evidence.shared_device,
        TrustReason.TIME_REPORTED: evidence.time_reported,
    }
    return tuple(reason for reason, holds in found.items() if holds)


def score(rules: VisitRules, reasons: Iterable[str]) -> int:
    """How far a check-in is to be trusted, from 0 to 100."""
    return max(0, BEST - sum(rules.weights[reason] for reason in set(reasons)))
