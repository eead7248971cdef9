"""Events leave a service by way of a table: a row written in the transaction of the effect it tells of.

So an event is there if and only if its effect is. The relay (`chassis.bus.relay`) publishes the rows in the order
of their positions. That order is right per subject: whoever changes an aggregate holds its row lock from the
change to the commit, and a position is drawn after the change has been written (`emit` flushes first). Of two
transactions about one subject the later one therefore draws the higher position, and when its row can be seen
the earlier one's can be seen, too. Transactions about different subjects may commit in another order than that
of their positions; nothing depends on it.
"""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import ChassisTables, ServiceSession
from chassis.names import new_id
from chassis.prepared import Prepared
from chassis.telemetry import current_traceparent

__all__ = ["CHANNEL", "KEPT", "OutboxEvent", "emit", "emit_all", "emitted", "purge"]

CHANNEL = "outbox"
"""The PostgreSQL channel on which new events are announced to the relay."""

KEPT = timedelta(days=7)
"""How long published events are kept, to look at."""

_PURGE_ROWS = 5000
_EMITTED = "events emitted"


class OutboxEvent(ChassisTables):
    """An event that is to be published, or was."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_pending", "position", postgresql_where=text("publish_time IS NULL")),
        # Each row is updated once, soon after it was written: vacuum by the number of rows, not by the share.
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "10000"}},
    )

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[UUID]
    type: Mapped[str]
    """The full name of the event's message, e.g. `crm.things.v1.ThingMade`."""
    subject: Mapped[str]
    """The resource name that orders the events; empty if nothing does."""
    time: Mapped[datetime]
    """The business time of the effect."""
    data: Mapped[Any] = mapped_column(JSONB)
    """The message in JSON form."""
    traceparent: Mapped[str]
    write_time: Mapped[datetime] = mapped_column(server_default=text("now()"))
    """By the real clock."""
    publish_time: Mapped[datetime | None]
    """When the broker confirmed it, by the real clock."""


# One round trip for any number of events, whose data are one JSON text: the driver escapes arrays of texts slowly.
_INSERT = Prepared(
    text(
        """
    INSERT INTO outbox (event_id, type, subject, time, data, traceparent)
    SELECT event_id, type, subject, CAST(:time AS timestamptz), data, CAST(:traceparent AS text)
    FROM ROWS FROM (
      unnest(CAST(:ids AS uuid[])), unnest(CAST(:types AS text[])), unnest(CAST(:subjects AS text[])),
      jsonb_array_elements(CAST(:data AS jsonb))
    ) WITH ORDINALITY AS event (event_id, type, subject, data, place)
    ORDER BY place
        """
    )
)

_PURGE = text(
    """
    DELETE FROM outbox USING (SELECT position FROM outbox ORDER BY position LIMIT :rows) AS oldest
    WHERE outbox.position = oldest.position AND outbox.publish_time < now() - CAST(:kept AS interval)
    """
)


def emit(session: ServiceSession, event: Any) -> None:
    """Announce a fact: write an event in the session's transaction.

    Call it after the change it tells of. The event is a frozen dataclass named and shaped like its message in
    the service's `events.proto`. Its class variable SUBJECT names the field that orders it.
    """
    emit_all(session, [event])


def emit_all(session: ServiceSession, events: Sequence[Any]) -> None:
    """Like `emit`, for many events at once. They are published in the order given."""
    if not events:
        return
    session.flush()  # the rows that changed are locked from here on: see the note on order above
    ids = [new_id() for _ in events]
    session.info.setdefault(_EMITTED, []).extend(ids)
    _INSERT.write(
        session,
        ids=ids,
        types=[_type(session.service, event) for event in events],
        subjects=[str(getattr(event, event.SUBJECT)) for event in events],
        data=orjson.dumps(events, _encode, orjson.OPT_UTC_Z).decode(),
        time=session.now,
        traceparent=current_traceparent(),
    )
    session.announce(CHANNEL)


def emitted(session: ServiceSession) -> Sequence[UUID]:
    """The ids of the events that a session has written so far, in order, for whoever needs to know what came of what.
    Those of a savepoint that was rolled back are among them."""
    return tuple(session.info.get(_EMITTED, ()))


def purge(session: ServiceSession, kept: timedelta = KEPT) -> int:
    """Delete a portion of the events published longer ago than `kept`. Returns how many; call again if any."""
    # Oldest first by primary key: needs no index on the time of publishing, which would slow each mark.
    return int(session.execute(_PURGE, {"rows": _PURGE_ROWS, "kept": kept}).rowcount)  # type: ignore[attr-defined]


def _type(service: str, event: Any) -> str:
    package = getattr(event, "PACKAGE", f"crm.{service}.v1")
    return f"{package}.{type(event).__name__}"


def _encode(value: Any) -> Any:
    """The JSON form that protobuf gives to what JSON has no form for."""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}s"
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"an event cannot carry {type(value).__name__}")
