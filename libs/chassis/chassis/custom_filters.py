"""Filters over custom fields."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Date, Numeric, Text, cast, false, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Boolean

from chassis.columns import AnyColumn
from chassis.custom_fields import CustomField
from chassis.custom_values import FieldType, ValueRule, normalise
from chassis.db import ServiceSession, UtcDateTime
from chassis.errors import Invalid
from chassis.filters import Field, FieldKind

PREFIX = "custom."
"""What the name of a custom field begins with in filters."""

CURRENCY = ".currency"
"""What follows the name of an amount of money to name its currency."""


def dynamic_field(session: ServiceSession, entity: str, name: str, column: AnyColumn) -> Field | None:
    """The field for filters on `custom.{key}`, over the JSONB column of the values.

    Equality, the IN operators and, for lists, CONTAINS are served by a GIN index with `jsonb_path_ops`. An amount of
    money is compared as a number; `custom.{key}.currency` is its currency.
    """
    key = name.removeprefix(PREFIX)
    if key == name:
        return None
    found = session.scalar(_definition(entity, key.removesuffix(CURRENCY)))
    if found is None or (key.endswith(CURRENCY) and found.type != FieldType.MONEY):
        return None
    if found.type == FieldType.MONEY:
        return _of_money(found, name, column, currency=key.endswith(CURRENCY))
    kind, as_type = _FILTERED[found.value_type]
    value = func.jsonb_extract_path_text(column, key, type_=Text)
    listed, rule = kind is FieldKind.TEXT_LIST, found.rule

    def holds(wanted: Any) -> Any:
        try:
            as_stored = wanted if rule.type in _LOOSE else normalise(ValueRule(found.value_type), wanted)
        except Invalid:  # a number that is too long to be stored
            return false()
        return json_holds(column, {key: [as_stored] if listed else as_stored})

    typed = cast(value, as_type) if as_type is not None else value
    return Field(name, kind, typed, choices=found.options, holds=holds, index="the GIN index of the values")


def json_holds(column: AnyColumn, part: dict[str, Any]) -> Any:
    """Whether a JSONB column contains an object."""
    return column.bool_op("@>")(literal(part, JSONB))


def _definition(entity: str, key: str) -> Any:
    statement = select(CustomField).where(CustomField.entity == entity, CustomField.key == key)
    return statement.execution_options(populate_existing=True)


def _of_money(found: CustomField, name: str, column: AnyColumn, *, currency: bool) -> Field:
    part = "currency" if currency else "amount"
    value = func.jsonb_extract_path_text(column, found.key, part, type_=Text)
    if currency:
        holds = lambda wanted: json_holds(column, {found.key: {"currency": wanted}})  # noqa: E731
        return Field(name, FieldKind.TEXT, value, holds=holds, index="the GIN index of the values")
    return Field(name, FieldKind.NUMBER, cast(value, Numeric()), index="none: narrows what another condition has found")


_LOOSE = frozenset(FieldType) - {FieldType.NUMBER, FieldType.BOOLEAN, FieldType.DATE, FieldType.DATETIME} - {
    FieldType.FORMULA, FieldType.ROLLUP
}  # fmt: skip
"""The types whose filter values are the stored text itself, also when it is none that could be stored now."""

_FILTERED: Mapping[FieldType, tuple[FieldKind, Any]] = {
    FieldType.TEXT: (FieldKind.TEXT, None),
    FieldType.NUMBER: (FieldKind.NUMBER, Numeric()),
    FieldType.BOOLEAN: (FieldKind.BOOLEAN, Boolean()),
    FieldType.DATE: (FieldKind.DATE, Date()),
    FieldType.DATETIME: (FieldKind.TIME, UtcDateTime()),
    FieldType.CHOICE: (FieldKind.ENUM, None),
    FieldType.MULTI_CHOICE: (FieldKind.TEXT_LIST, None),
    FieldType.PHONE: (FieldKind.TEXT, None),
    FieldType.EMAIL: (FieldKind.TEXT, None),
    FieldType.URL: (FieldKind.TEXT, None),
    FieldType.USER: (FieldKind.TEXT, None),
    FieldType.DEPARTMENT: (FieldKind.TEXT, None),
    FieldType.REFERENCE: (FieldKind.TEXT, None),
}
