"""Times and durations in requests: a message can hold numbers that are none, and no code behind the edge expects them.

Where messages of a type hold any is found once, from the contract, so that a new request is covered as it is.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.entities import entity_of
from chassis.errors import Invalid
from chassis.message_parts import is_map, part_of

EARLIEST = -62_135_510_400
"""0001-01-02T00:00:00Z in seconds since 1970. A day of room on both sides, so that it is a time in every zone."""
LATEST = 253_402_214_399
"""9999-12-30T23:59:59Z."""
LONGEST = 315_576_000_000
"""The seconds of 10,000 years: the range of `google.protobuf.Duration`."""
EXAMPLE = "2026-03-02T04:00:00Z"

_SECOND = 1_000_000_000
_TIME, _DURATION = "google.protobuf.Timestamp", "google.protobuf.Duration"


class Moments:
    """Where a type of messages holds times and durations."""

    def __init__(self, message: Descriptor) -> None:
        self._is_record = bool(entity_of(message))
        self.parts: list[tuple[FieldDescriptor, Moments | None]] = []
        """The fields that are or hold some: with what they hold, None for a time or duration itself."""

    def check(self, message: Any, path: str = "") -> None:
        """Raise Invalid, naming the field: INVALID_TIME for a time out of EARLIEST and LATEST, INVALID_DURATION for a
        duration beyond LONGEST, and both for fractions of a second that are none. The fields of the record that a
        request is about are called as they are in it."""
        for field, inner in self.parts:
            for at, value in _held(message, field):
                where = f"{path}{field.name}{at}"
                if inner is not None:
                    inner.check(value, f"{where}." if path or at or not inner._is_record else "")
                else:
                    _check(value, where)


_known: dict[str, Moments | None] = {}


def moments_of(message: Descriptor) -> Moments | None:
    """Where messages of a type hold times and durations; None if nowhere."""
    if message.full_name not in _known:
        if not _holds_any(message, set()):
            _known[message.full_name] = None
            return None
        made = _known[message.full_name] = Moments(message)  # known before its parts: a message may hold its like
        for field in message.fields:
            part = part_of(field)
            if part is None:
                continue
            if part.full_name in (_TIME, _DURATION):
                made.parts.append((field, None))
            elif (inner := moments_of(part)) is not None:
                made.parts.append((field, inner))
    return _known[message.full_name]


def _holds_any(message: Descriptor, seen: set[str]) -> bool:
    if message.full_name in seen:
        return False
    seen.add(message.full_name)
    parts = [part for field in message.fields if (part := part_of(field)) is not None]
    return any(part.full_name in (_TIME, _DURATION) or _holds_any(part, seen) for part in parts)


def _held(message: Any, field: FieldDescriptor) -> Iterable[tuple[str, Any]]:
    value = getattr(message, field.name)
    if is_map(field):
        return ((f"[{key}]", one) for key, one in value.items())
    if field.is_repeated:
        return ((f"[{at}]", one) for at, one in enumerate(value))
    return (("", value),) if message.HasField(field.name) else ()


def _check(value: Any, field: str) -> None:
    if value.DESCRIPTOR.full_name == _TIME:
        if not (EARLIEST <= value.seconds <= LATEST and 0 <= value.nanos < _SECOND):
            raise Invalid("INVALID_TIME", f"give a time of the years 1 to 9999, such as {EXAMPLE}", field=field)
    elif abs(value.seconds) > LONGEST or abs(value.nanos) >= _SECOND or value.seconds * value.nanos < 0:
        raise Invalid("INVALID_DURATION", "a duration has at most 10,000 years, and one sign", field=field)
