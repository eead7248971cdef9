"""What the tables of this service share."""

from datetime import datetime
from typing import Any, ClassVar

from chassis.db import NAMING, UtcDateTime
from sqlalchemy import BigInteger, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER, JSONB
from sqlalchemy.orm import DeclarativeBase

# Orders and prefixes must not depend on the locale that a database was made with.
Plain = Text(collation="C")


class Base(DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime,
        int: BigInteger,
        str: Plain,
        list[str]: ARRAY(Text),
        list[int]: ARRAY(INTEGER),
        dict[str, Any]: JSONB(none_as_null=True),
    }
