"""What a telephone system tells of a call, and what that comes to: the same, in whatever order and however often it is
told. A pure fold over all that was told."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit

import orjson
from chassis.errors import Invalid

from leads.model import CallDirection, CallState

MAX_ID, MAX_URL = 200, 2_000
LONGEST_CALL = 24 * 3_600
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class EventState(StrEnum):
    """What happened to a call."""

    RINGING = "RINGING"
    ANSWERED = "ANSWERED"
    ENDED = "ENDED"
    MISSED = "MISSED"


@dataclass(frozen=True)
class Told:
    """One thing that the telephone system told."""

    call_id: str
    """What the telephone system calls the call."""
    state: EventState
    time: datetime
    reference: str = ""
    """What the call is known by here, if it was dialled from here."""
    direction: str = ""
    phone: str = ""
    agent: str = ""
    """The telephone, or the user, of the company."""
    duration_seconds: int | None = None
    recording_url: str = ""

    @classmethod
    def read(cls, body: bytes) -> Self:
        """What a body says. Raises Invalid INVALID_CALL_EVENT, naming the field."""
        try:
            given = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise _bad("body", "the body must be JSON in UTF-8") from None
        if not isinstance(given, dict):
            raise _bad("body", "the body must be an object")
        told = cls(
            call_id=_text(given, "id"),
            state=_state(given),
            time=_time(given),
            reference=_text(given, "reference"),
            direction=_direction(given),
            phone=_text(given, "phone"),
            agent=_text(given, "agent"),
            duration_seconds=_duration(given),
            recording_url=_url(given),
        )
        if not told.call_id:
            raise _bad("id", "say what you call the call")
        if not told.reference and not (told.direction and told.phone):
            raise _bad("phone", "of a call that was not dialled from here, say direction and phone")
        return told

    @property
    def digest(self) -> str:
        """What tells it from anything else that is told of the call."""
        return hashlib.sha256(orjson.dumps(self.to_json(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The form it is stored in."""
        return asdict(self) | {"time": self.time.astimezone(UTC).isoformat()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """From the form it is stored in."""
        values = {**stored, "state": EventState(stored["state"]), "time": datetime.fromisoformat(stored["time"])}
        return cls(**values)


@dataclass(frozen=True)
class Course:
    """What all that was told of a call comes to."""

    state: CallState
    start_time: datetime
    answer_time: datetime | None
    end_time: datetime | None
    duration_seconds: int
    recording_url: str
    agent: str
    direction: str
    phone: str


def fold(told: Iterable[Told]) -> Course:
    """What was told comes to. Of one thing told several times, the first time counts, and the longest duration.

    A call that was answered was not missed, whatever else is told: a group of telephones misses it on all but one. A
    duration that is told counts before the time between answer and end, which holds ringing on some systems.
    """
    facts = sorted(told, key=lambda each: (each.time, each.state, each.digest))
    first = {state: next((each.time for each in facts if each.state is state), None) for state in EventState}
    stated = [each.duration_seconds for each in facts if each.duration_seconds is not None]
    spoke = first[EventState.ANSWERED] is not None or any(stated)
    ended = first[EventState.ENDED]
    end = ended if ended is not None or spoke else first[EventState.MISSED]
    answer = first[EventState.ANSWERED]
    return Course(
        state=_reached(first, spoke=spoke),
        start_time=facts[0].time,
        answer_time=answer,
        end_time=end,
        duration_seconds=max(stated) if stated else _between(answer, end),
        recording_url=_last(facts, "recording_url"),
        agent=_agent(facts),
        direction=_last(facts, "direction"),
        phone=_last(facts, "phone"),
    )


def _reached(first: Mapping[EventState, datetime | None], *, spoke: bool) -> CallState:
    if first[EventState.ENDED] is not None:
        return CallState.ENDED if spoke else CallState.MISSED
    if spoke:
        return CallState.ANSWERED
    return CallState.MISSED if first[EventState.MISSED] is not None else CallState.RINGING


def _between(answer: datetime | None, end: datetime | None) -> int:
    if answer is None or end is None:
        return 0
    return min(max(int((end - answer).total_seconds()), 0), LONGEST_CALL)


def _agent(facts: list[Told]) -> str:
    """Who answered; else the one told last, which is where it rang last."""
    answered = [each for each in facts if each.state in (EventState.ANSWERED, EventState.ENDED)]
    return _last(answered, "agent") or _last(facts, "agent")


def _last(facts: list[Told], field: str) -> str:
    return next((value for each in reversed(facts) if (value := getattr(each, field))), "")


def _text(given: Mapping[str, Any], field: str, most: int = MAX_ID) -> str:
    value = given.get(field) or ""
    if not isinstance(value, str) or len(value) > most or _CONTROL.search(value):
        raise _bad(field, f"a text of at most {most:,} characters")
    return value.strip()


def _state(given: Mapping[str, Any]) -> EventState:
    try:
        return EventState(_text(given, "state"))
    except ValueError:
        raise _bad("state", f"one of {', '.join(EventState)}") from None


def _direction(given: Mapping[str, Any]) -> str:
    value = _text(given, "direction")
    if value and value not in CallDirection.__members__:
        raise _bad("direction", f"one of {', '.join(CallDirection)}")
    return value


def _time(given: Mapping[str, Any]) -> datetime:
    try:
        time = datetime.fromisoformat(_text(given, "time"))
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _bad("time", "a time is written as 2026-03-01T08:00:00Z") from None
    raise _bad("time", "a time is written with its zone")


def _duration(given: Mapping[str, Any]) -> int | None:
    value = given.get("durationSeconds")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LONGEST_CALL:
        raise _bad("durationSeconds", f"a whole number from 0 to {LONGEST_CALL:,}")
    return value


def _url(given: Mapping[str, Any]) -> str:
    """A link that is safe to open."""
    value = _text(given, "recordingUrl", MAX_URL)
    try:
        safe = not value or (urlsplit(value).scheme == "https" and bool(urlsplit(value).hostname))
    except ValueError:
        safe = False
    if not safe:
        raise _bad("recordingUrl", "a link that begins with https://")
    return value


def _bad(field: str, message: str) -> Invalid:
    return Invalid("INVALID_CALL_EVENT", f"{field}: {message}", field=field)
