"""Serial numbers of records, by a pattern such as `KH-{yyyy}{mm}-{0000}`.

A pattern has exactly one counter, whose zeros are its least width, and may have the year, month and day of the
organisation's calendar. The counter begins at 1 for every text around it, so with `{yyyy}{mm}` once a month.

Numbers have no gaps: the transaction that takes one holds the counter until it ends, and gives the number back if it
fails. Whoever creates records at the same time waits for that, during an import for one chunk of its rows.
"""

import re
from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Text, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from chassis.db import ChassisTables, ServiceSession
from chassis.errors import Invalid
from chassis.organisation import organisation

MAX_PATTERN = 60

_PART = re.compile(r"\{([^{}]*)\}")
_DATES = ("yyyy", "yy", "mm", "dd")
_COUNTER = re.compile(r"0{1,12}")


class CustomSerial(ChassisTables):
    """The last number given out for one text around the counter."""

    __tablename__ = "custom_serial"

    field_id: Mapped[UUID] = mapped_column(primary_key=True)
    around: Mapped[str] = mapped_column(Text, primary_key=True)
    """The number's text, with `{0}` where the counter stands."""
    last: Mapped[int] = mapped_column(BigInteger)


def check_pattern(pattern: str) -> None:
    """Raise Invalid INVALID_PATTERN if numbers by this pattern would not be unique."""
    parts = _PART.findall(pattern)
    counters = [part for part in parts if _COUNTER.fullmatch(part)]
    dates = [part for part in parts if part in _DATES]
    plain = _PART.sub("", pattern)
    fitting = len(pattern) <= MAX_PATTERN and pattern.isprintable() and "{" not in plain and "}" not in plain
    if not fitting or len(counters) != 1 or len(counters) + len(dates) != len(parts):
        message = "write a pattern like KH-{yyyy}{mm}-{0000}: one counter, and {yyyy}, {yy}, {mm} or {dd} if wanted"
        raise Invalid("INVALID_PATTERN", message, field="custom_field.pattern")
    if ("dd" in dates and "mm" not in dates) or ("mm" in dates and not {"yyyy", "yy"} & set(dates)):
        message = "numbers would come again: a day needs its month, and a month its year"
        raise Invalid("INVALID_PATTERN", message, field="custom_field.pattern")


def around(pattern: str, day: date) -> tuple[str, int]:
    """The text around the counter on a day, with `{0}` where it stands, and the counter's least width."""
    shown = {"yyyy": f"{day.year:04}", "yy": f"{day.year % 100:02}", "mm": f"{day.month:02}", "dd": f"{day.day:02}"}
    width = next(len(part) for part in _PART.findall(pattern) if _COUNTER.fullmatch(part))
    return _PART.sub(lambda match: shown.get(match[1], "{0}"), pattern), width


class SerialBook:
    """The numbers that one transaction gives out. Call `close` before it ends."""

    def __init__(self, session: ServiceSession) -> None:
        self._session = session
        self._day: date | None = None
        self._last: dict[tuple[UUID, str], int] = {}

    def take(self, patterns: Mapping[UUID, str]) -> dict[UUID, str]:
        """The next number of each of some fields."""
        if self._day is None:
            self._day = organisation(self._session).day_of(self._session.now)
        taken = {}
        for field_id in sorted(patterns):  # always in one order, so that no two transactions wait for each other
            text, width = around(patterns[field_id], self._day)
            key = field_id, text
            number = (self._last[key] if key in self._last else self._lock(key)) + 1
            self._last[key] = number
            taken[field_id] = text.replace("{0}", f"{number:0{width}}")
        return taken

    def close(self) -> None:
        """Write how far the counters have come."""
        for (field_id, text), last in self._last.items():
            self._session.execute(
                update(CustomSerial)
                .where(CustomSerial.field_id == field_id, CustomSerial.around == text)
                .values(last=last)
                .execution_options(synchronize_session=False)
            )
        self._last.clear()

    def _lock(self, key: tuple[UUID, str]) -> int:
        statement = insert(CustomSerial).values(field_id=key[0], around=key[1], last=0).on_conflict_do_nothing()
        self._session.execute(statement)
        locked = select(CustomSerial.last).where(CustomSerial.field_id == key[0], CustomSerial.around == key[1])
        return self._session.scalar(locked.with_for_update()) or 0
