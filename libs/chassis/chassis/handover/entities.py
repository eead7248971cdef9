"""What a service says of the records that it hands over."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from uuid import UUID

from crm.common.v1.filter_pb2 import Filter
from crm.identity.v1.events_pb2 import UserChanged
from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import InstrumentedAttribute

from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid, Unavailable
from chassis.names import make_name

Owner = TypeVar("Owner")


class Move(NamedTuple):
    """A record and who gets it."""

    record_id: UUID
    successor_id: UUID
    named: bool
    """True if a rule for this very kind of records says so."""


def find_successors(
    session: ServiceSession, moves: Sequence[Move], find: Callable[[ServiceSession, UUID], Owner]
) -> dict[UUID, Owner]:
    """The successors as owners, found by the function that finds the owner of a transfer, in one order, so that no two
    hand-overs wait for each other. Raises Conflict SUCCESSOR_INACTIVE for one who cannot own anything any more."""
    found = {}
    for successor_id in sorted({move.successor_id for move in moves}):
        try:
            found[successor_id] = find(session, successor_id)
        except Invalid as error:
            name = make_name("users", successor_id)
            if error.reason == "UNKNOWN_OWNER":  # created a moment ago, and the event still on its way
                raise Unavailable("SUCCESSOR_UNKNOWN", f"{name} is not known here yet") from error
            message = f"{name} may not sign in any more: name somebody else and try again"
            raise Conflict("SUCCESSOR_INACTIVE", message, user=name) from error
    return found


@dataclass(frozen=True)
class HandoverEntity:
    """A kind of records that have an owner."""

    name: str
    """As rules call it, e.g. `thing`."""
    key: InstrumentedAttribute[UUID]
    """The records' id."""
    held_by: Callable[[UUID], ColumnElement[bool]]
    """Whether a user holds a record."""
    matches: Callable[[ServiceSession, Filter], ColumnElement[bool]]
    """Whether a filter holds of a record. Raises Invalid for a filter that makes no sense."""
    move: Callable[[ServiceSession, UUID, Sequence[Move]], Collection[UUID]]
    """Gives those of the records that the user still holds to their successors, and returns them. Raises Conflict
    SUCCESSOR_INACTIVE if a successor cannot hold them. It changes nothing but the owner."""
    attached: Callable[[ServiceSession, ColumnElement[bool]], Mapping[str, int]] = lambda session, held: {}
    """How many other records go along with those that fulfil a condition, by kind."""
    follows: bool = False
    """True if what no rule names goes to whoever gets the record that it belongs to."""


@dataclass(frozen=True)
class Handover:
    """What a service hands over, and what it knows of people."""

    service: str
    entities: Sequence[HandoverEntity]
    learn_user: Callable[[ServiceSession, UserChanged], None]
    """Notes how a user is, as the service does for the event. An older version changes nothing."""
    known_user: Callable[[UUID], Select[bool, str | None]]
    """Whether a user may sign in, and the path of the user's department. While the row is locked, nobody gives the
    user anything."""

    def entity(self, name: str) -> HandoverEntity:
        """The kind of records of a name."""
        return next(each for each in self.entities if each.name == name)
