"""What is still under way of somebody who was erased: events of before that come late, and dead letters.

An event may come to a service after the service has erased the person, or be set aside and replayed weeks later. So
the service knows for `KEPT` whom it erased, sealed: what was written before the erasure is redacted before a handler
sees it, and dead letters are redacted where they are. After that nothing of before is delivered again. A handler that
is at work when an erasure begins ends first, and what it wrote is erased as well.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from chassis import inbox, locks
from chassis.bus.envelope import Received
from chassis.db import ServiceSession, UtcDateTime
from chassis.encryption import DataKeys, Sealed
from chassis.personal_data.model import ErasedPerson
from chassis.personal_data.people import Person
from chassis.personal_data.redaction import KnownPlaces
from chassis.prepared import Prepared

KEPT = inbox.KEPT
SLACK = timedelta(hours=1)
"""Other services may erase the person so much later than this one."""
_SWEEP_EVERY = timedelta(hours=1)


class Echo:
    """Somebody who was erased, to be taken out of what was written before."""

    def __init__(self, person: Person, until: datetime) -> None:
        self._until, self._places = until, person.records | person.places
        self._known = KnownPlaces(person, self._places)

    def redacted(self, event: Received) -> Received:
        """An event without the person, if it was written before the erasure."""
        if event.time > self._until:
            return event
        redactor = self._known.there if event.subject in self._places else self._known
        data = redactor.value(dict(event.data))
        return event if data == event.data else replace(event, data=data)

    def text(self, text: str) -> str:
        """What is said of a failure, which may quote the event, without the person. Nobody needs a name there."""
        return self._known.there.text(text)


def remember(session: ServiceSession, request_id: UUID, person: Person) -> None:
    """Note that a person is erased now."""
    values = {each.name: sorted(getattr(person, each.name)) for each in fields(Person)}
    sealed = session.data_keys.seal(orjson.dumps(values).decode(), ErasedPerson.place(request_id))
    row = {"identifiers": sealed, "erase_time": session.now, "expire_time": session.now + KEPT, "sweep_time": None}
    statement = insert(ErasedPerson).values(id=request_id, **row)
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))


def stand_still(session: ServiceSession, *, erasing: bool) -> None:
    """Let no erasure begin until the transaction ends; for an erasure: wait for all handlers that are under way.

    To be called first in the transaction. A handler that saw an event before an erasure would else write after it what
    was erased.
    """
    (locks.hold if erasing else locks.share)(session, "erasure")


_CURRENT = Prepared(
    select(ErasedPerson.id, ErasedPerson.erase_time, ErasedPerson.identifiers).where(
        ErasedPerson.expire_time > bindparam("now", type_=UtcDateTime),
        ErasedPerson.expire_time >= bindparam("since", type_=UtcDateTime),
    )
)


def current(session: ServiceSession, since: datetime | None = None) -> Sequence[Echo]:
    """The echoes of those who were erased not long ago; only of those erased so late that events of `since` may tell of
    them, if that is given."""
    # By the end of the time, on which there is an index.
    rows = _CURRENT.all(session, now=session.now, since=session.now if since is None else since - SLACK + KEPT)
    return [_echo(session.data_keys, row.id, row.erase_time, Sealed(row.identifiers)) for row in rows]


def redacted(session: ServiceSession, events: Sequence[Received]) -> list[Received]:
    """Events as handlers may see them. Whoever was erased long before all of them is not looked at."""
    if not events:
        return []
    echoes = current(session, min(event.time for event in events))
    for echo in echoes:
        events = [echo.redacted(event) for event in events]
    return list(events)


def take_unswept(session: ServiceSession) -> Sequence[Echo]:
    """The echoes for which dead letters are to be looked through, which is noted as done with the transaction."""
    due = or_(ErasedPerson.sweep_time.is_(None), ErasedPerson.sweep_time < func.now() - _SWEEP_EVERY)
    rows = session.scalars(select(ErasedPerson).where(_current(session), due).with_for_update()).all()
    for row in rows:
        row.sweep_time = func.now()
    return [_echo(session.data_keys, row.id, row.erase_time, row.identifiers) for row in rows]


def _current(session: ServiceSession) -> Any:
    return ErasedPerson.expire_time > session.now


@lru_cache(maxsize=256)
def _echo(keys: DataKeys, request_id: UUID, erase_time: datetime, sealed: Any) -> Echo:
    # To unseal and to compile costs more than to look at an event.
    values = orjson.loads(keys.open(sealed, ErasedPerson.place(request_id)))
    return Echo(Person(**{key: frozenset(value) for key, value in values.items()}), erase_time + SLACK)
