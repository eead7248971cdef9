"""What predicates are built on: a column of an entity, or an expression over columns."""

from typing import Any

from sqlalchemy import ColumnElement, Enum, String, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

AnyColumn = ColumnElement[Any] | InstrumentedAttribute[Any]


def stored(column: AnyColumn) -> ColumnElement[Any]:
    """The column as it is stored: an enumeration as its text, which is what it is compared and sorted by."""
    element = column.__clause_element__() if isinstance(column, InstrumentedAttribute) else column
    return type_coerce(element, String) if isinstance(element.type, Enum) else element
