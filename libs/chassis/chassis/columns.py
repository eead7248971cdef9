"""What predicates are built on: a column of an entity, or an expression over columns."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Enum, String, any_, literal, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

AnyColumn = ColumnElement[Any] | InstrumentedAttribute[Any]


def stored(column: AnyColumn) -> ColumnElement[Any]:
    """The column as it is stored: an enumeration as its text, which is what it is compared and sorted by."""
    element = column.__clause_element__() if isinstance(column, InstrumentedAttribute) else column
    return type_coerce(element, String) if isinstance(element.type, Enum) else element


def among(column: AnyColumn, values: Collection[Any]) -> ColumnElement[bool]:
    """Whether a column has one of the values, which go as one array: as parameters of their own, thousands cost the
    driver more than the query costs the database."""
    element = column.__clause_element__() if isinstance(column, InstrumentedAttribute) else column
    return element == any_(literal(list(values), ARRAY(element.type)))
