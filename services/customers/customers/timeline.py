"""Which entries of a timeline somebody asks for, besides their kinds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, true


@dataclass(frozen=True)
class Narrowing:
    """What entries must fulfil. What is empty does not narrow."""

    sources: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    start: datetime | None = None
    """Included."""
    end: datetime | None = None
    """Not included."""

    def met(self, columns: Any) -> ColumnElement[bool]:
        """Whether an entry of these columns fulfils it."""
        return and_(
            true(),
            *([columns.source.in_(self.sources)] if self.sources else []),
            *([columns.actor.in_(self.actors)] if self.actors else []),
            *([columns.occur_time >= self.start] if self.start else []),
            *([columns.occur_time < self.end] if self.end else []),
        )

    @property
    def mark(self) -> str:
        """A text that differs if what is asked for differs."""
        return orjson.dumps([self.sources, self.actors, self.start, self.end]).decode()


EVERYTHING = Narrowing()
