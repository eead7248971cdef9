"""What a service says of the personal data that it holds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute

from chassis.db import ServiceSession
from chassis.personal_data.people import Person


@dataclass(frozen=True)
class Finding:
    """A record that tells of a person."""

    kind: str
    """What it is, e.g. `thing`."""
    name: str
    """Its resource name, or whatever tells it from others of its kind."""
    values: Mapping[str, Any]
    """What it holds, for the export."""
    about: frozenset[str] = frozenset()
    """The records that it belongs to. A legal hold of one of them keeps it."""
    marks: frozenset[str] = frozenset()
    """The person's numbers and addresses in it. A legal hold of one of them keeps it."""
    in_use: bool = False
    """True if it cannot be erased as long as it is used."""
    whole: bool = True
    """False if only a part of the record tells of the person, and the rest stays."""
    retained: bool = False
    """True if the law keeps it beyond an erasure, by what it is: it tells of no person once the rest is erased."""


@dataclass(frozen=True)
class FreeText:
    """A column, a text or JSON, in which people write what they like, also about others. Its table has a key of one
    column, a UUID or a number."""

    column: InstrumentedAttribute[Any]
    place: ColumnElement[str] | InstrumentedAttribute[str] | None = None
    """The resource name of the record that it is about. There, names tell the person as well."""
    names: bool = False
    """True if names tell the person everywhere: in what is of no use to anybody any more."""
    where: ColumnElement[bool] | None = None
    """Which rows may be changed; all if not given."""

    @property
    def kind(self) -> str:
        """What findings in it are called, e.g. `note.content`."""
        return f"{self.column.class_.__tablename__}.{self.column.key}"


@dataclass(frozen=True)
class PersonalData:
    """What a service holds about people."""

    service: str
    describe: Callable[[ServiceSession, Person], Person]
    """What the service knows a person by: the person's own records, the places where the person is named, and numbers
    and addresses that nobody else bears. Raises Invalid SUBJECT_NOT_A_PERSON and NotFound for records that are none."""
    find: Callable[[ServiceSession, Person], Sequence[Finding]]
    """All that tells of a person, apart from what the chassis keeps."""
    erase: Callable[[ServiceSession, Person, Sequence[Finding]], None]
    """Takes the person out of what was found. Amounts, times and states stay."""
    texts: Sequence[FreeText] = ()
    """Where people may have written about the person in records of others."""
    collections: frozenset[str] = field(default_factory=frozenset)
    """The collections of the records that can be named as a person."""
