"""What the tables of this service have in common."""

from datetime import datetime

from chassis.db import NAMING, UtcDateTime
from chassis.errors import Invalid
from sqlalchemy import LargeBinary, MetaData, Text
from sqlalchemy.orm import DeclarativeBase

# Orders and prefixes must not depend on the locale that a database was made with.
Plain = Text(collation="C")


class Base(DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime, bytes: LargeBinary, str: Plain}  # noqa: RUF012


def label(value: str, *, field: str) -> str:
    """A name for people: trimmed, 1 to 100 characters. Raises Invalid."""
    trimmed = " ".join(value.split())
    if not 1 <= len(trimmed) <= 100:
        raise Invalid("INVALID_DISPLAY_NAME", f"{field} must have 1 to 100 characters", field=field)
    return trimmed
