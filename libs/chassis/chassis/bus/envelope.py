"""The form in which events travel: CloudEvents 1.0, structured mode, in JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

CONTENT_TYPE = "application/cloudevents+json"

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Received:
    """An event as a handler gets it."""

    id: UUID
    type: str
    """The full name of its message, e.g. `crm.things.v1.ThingMade`."""
    source: str
    """The service that published it."""
    subject: str
    """The resource name that orders the events; empty if nothing does."""
    time: datetime
    """The business time of the effect."""
    traceparent: str
    data: Mapping[str, Any]
    """The message in JSON form."""

    @property
    def name(self) -> str:
        """The short name, e.g. `ThingMade`."""
        return self.type.rpartition(".")[2]

    @property
    def trace_id(self) -> str:
        """The trace it belongs to, 32 hexadecimal digits; the empty string if there is none."""
        return self.traceparent[3:35]

    def message(self, message_type: Callable[[], M]) -> M:
        """The data as a message of the publisher's contract. Fields of a newer contract are left out."""
        message = message_type()
        ParseDict(dict(self.data), message, ignore_unknown_fields=True)
        return message


def seal_envelope(
    *, event_id: UUID, source: str, event_type: str, subject: str, time: datetime, traceparent: str, data: str
) -> bytes:
    """The envelope of an event, whose data is given as JSON."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": source,
            "type": event_type,
            "time": time.astimezone(UTC),
            "subject": subject,
            "dataschema": event_type.rpartition(".")[0],
            "datacontenttype": "application/json",
            "traceparent": traceparent,
            "data": orjson.Fragment(data),
        },
        option=orjson.OPT_UTC_Z,
    )


def open_envelope(body: bytes | str) -> Received:
    """Read an envelope. Raises ValueError if it is none."""
    try:
        attributes = orjson.loads(body)
        return Received(
            id=UUID(attributes["id"]),
            type=attributes["type"],
            source=attributes["source"],
            subject=attributes.get("subject", ""),
            time=datetime.fromisoformat(attributes["time"]),
            traceparent=attributes.get("traceparent", ""),
            data=attributes["data"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no event envelope: {error!r}") from error
