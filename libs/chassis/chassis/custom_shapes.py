"""Which definitions of custom fields make sense."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chassis.custom_entities import Records, RollupFunction
from chassis.custom_formulas import RESULT_TYPES, in_order, parse, sample, try_out
from chassis.custom_serials import check_pattern
from chassis.custom_values import (
    COLLECTIONS,
    DERIVED,
    MAX_LENGTH,
    FieldType,
    ValueRule,
    bound,
    currency_code,
    normalise,
)
from chassis.db import ServiceSession
from chassis.errors import DomainError, Invalid, Violation
from chassis.filters import Field, FieldKind

if TYPE_CHECKING:
    from chassis.custom_fields import CustomField, CustomFieldDraft

MAX_OPTIONS = 200
MAX_LABEL = 100
MAX_HELP = 500

_CHOICES = (FieldType.CHOICE, FieldType.MULTI_CHOICE)
_RANGED = (FieldType.NUMBER, FieldType.MONEY, FieldType.DATE)
_UNIQUE = (
    FieldType.TEXT, FieldType.NUMBER, FieldType.DATE, FieldType.PHONE, FieldType.EMAIL, FieldType.URL,
    FieldType.REFERENCE,
)  # fmt: skip
_KINDS = {FieldKind.NUMBER: FieldType.NUMBER, FieldKind.DATE: FieldType.DATE, FieldKind.TIME: FieldType.DATETIME}


def draft_violations(draft: "CustomFieldDraft", entities: Collection[str]) -> list[Violation]:
    """What is wrong with a new definition by itself."""
    found = []
    if draft.entity not in entities:
        message = f"fields can be added to {', '.join(sorted(entities))}"
        found.append(Violation("custom_field.entity", "UNKNOWN_ENTITY", message))
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", draft.key, re.ASCII):
        message = "a key is a lower-case letter, then letters, digits or _, at most 63 in all"
        found.append(Violation("custom_field.key", "INVALID_KEY", message))
    if draft.type not in FieldType.__members__:
        return [*found, Violation("custom_field.type", "INVALID_TYPE", "state the type of the values")]
    return found + shape_violations(FieldType(draft.type), vars(draft))


def shape_violations(kind: FieldType, shape: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with what a definition says, for its type."""
    label, options, max_length = shape["label"].strip(), shape["options"], shape["max_length"]
    found = []
    if not 1 <= len(label) <= MAX_LABEL or not label.isprintable():
        found.append(Violation("custom_field.label", "INVALID_LABEL", f"a label has 1 to {MAX_LABEL} characters"))
    if not 0 <= max_length <= MAX_LENGTH or (max_length and kind is not FieldType.TEXT):
        message = f"only a text has a greatest length, from 1 to {MAX_LENGTH}"
        found.append(Violation("custom_field.max_length", "INVALID_MAX_LENGTH", message))
    fitting = all(option.strip() == option and 1 <= len(option) <= MAX_LABEL for option in options)
    count_fits = 1 <= len(options) <= MAX_OPTIONS if kind in _CHOICES else not options
    if not fitting or not count_fits or len(set(options)) < len(options):
        message = f"a choice has 1 to {MAX_OPTIONS} different options of 1 to {MAX_LABEL} characters, other types none"
        found.append(Violation("custom_field.options", "INVALID_OPTIONS", message))
    if len(shape["help_text"]) > MAX_HELP:
        found.append(Violation("custom_field.help_text", "TEXT_TOO_LONG", f"give at most {MAX_HELP} characters"))
    if shape["required"] and kind in DERIVED:
        message = "nobody states a derived value, so it cannot be required"
        found.append(Violation("custom_field.required", "DERIVED_FIELD", message))
    if shape["unique"] and kind not in _UNIQUE:
        message = f"values can be unique of the types {', '.join(_UNIQUE)}"
        found.append(Violation("custom_field.unique", "INVALID_UNIQUE", message))
    return found or [*_misplaced(kind, shape), *_range_violations(kind, shape)]


_OWN = {
    "currency": (FieldType.MONEY,),
    "collection": (FieldType.REFERENCE,),
    "pattern": (FieldType.SERIAL,),
    "expression": (FieldType.FORMULA,),
    "rollup": (FieldType.ROLLUP,),
    "minimum": _RANGED,
    "maximum": _RANGED,
}
"""What only some types have."""


def _misplaced(kind: FieldType, shape: Mapping[str, Any]) -> Iterator[Violation]:
    for name, kinds in _OWN.items():
        if shape[name] and kind not in kinds:
            message = f"only fields of the type {' or '.join(kinds)} have this"
            yield Violation(f"custom_field.{name}", "NOT_FOR_THIS_TYPE", message)
    if shape["default_value"] and (kind in DERIVED or shape["unique"]):
        message = "a value that is derived or unique has no default"
        yield Violation("custom_field.default_value", "NOT_FOR_THIS_TYPE", message)


def _range_violations(kind: FieldType, shape: Mapping[str, Any]) -> Iterator[Violation]:
    if kind not in _RANGED:
        return
    bounds = []
    for name in ("minimum", "maximum"):
        if shape[name]:
            try:
                bounds.append(bound(kind, shape[name]))
            except Invalid as error:
                yield Violation(f"custom_field.{name}", "INVALID_RANGE", error.message)
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        message = "the least value must not be greater than the greatest"
        yield Violation("custom_field.maximum", "INVALID_RANGE", message)


def default_of(rule: ValueRule, text: str) -> Any:
    """The value that a default stands for, which is written as people type it; None for none. Raises Invalid."""
    given: Any = text.strip()
    if not given:
        return None
    if rule.type is FieldType.BOOLEAN and given.casefold() in ("true", "false"):
        given = given.casefold() == "true"
    if rule.type is FieldType.MULTI_CHOICE:
        given = [item.strip() for item in given.split(";")]
    try:
        return normalise(rule, given)
    except Invalid as error:
        raise Invalid(error.reason, error.message, field="custom_field.default_value") from None


def check_kind(session: ServiceSession, field: "CustomField", records: Records, known: Sequence["CustomField"]) -> None:
    """Check what a field is made of: currency, collection, pattern, formula or roll-up. Sets its result type.

    Raises Invalid, or Conflict FORMULA_CYCLE.
    """
    kind = FieldType(field.type)
    if kind is FieldType.MONEY and field.currency:
        field.currency = _at("currency", currency_code, field.currency)
    elif kind is FieldType.SERIAL:
        check_pattern(field.pattern)
    elif kind is FieldType.FORMULA:
        _check_formula(field, records, known)
    elif kind is FieldType.ROLLUP:
        field.result_type = _check_rollup(session, field, records)
    elif kind in (*COLLECTIONS, FieldType.REFERENCE) and (
        COLLECTIONS.get(kind, field.collection) not in records.referable
    ):
        message = f"records of {records.entity} can refer to {', '.join(sorted(records.referable)) or 'nothing'}"
        raise Invalid("INVALID_COLLECTION", message, field="custom_field.collection")


def _at(name: str, check: Any, value: Any) -> Any:
    try:
        return check(value)
    except DomainError as error:
        raise Invalid(error.reason, error.message, field=f"custom_field.{name}") from None


def _check_formula(field: "CustomField", records: Records, known: Sequence["CustomField"]) -> None:
    if field.result_type not in RESULT_TYPES:
        message = f"say of which type the result is: {', '.join(RESULT_TYPES)}"
        raise Invalid("INVALID_RESULT_TYPE", message, field="custom_field.result_type")
    formula = parse(field.key, field.expression, FieldType(field.result_type))
    own = {other.key: other.value_type for other in [*known, field]}
    unknown = formula.names - own.keys() - records.plain.keys()
    if unknown:
        message = f"there is no field {min(unknown)!r} here; fields are called by their keys"
        raise Invalid("UNKNOWN_FIELD", message, field="custom_field.expression")
    in_order([formula, *(other.formula for other in known if other.type == FieldType.FORMULA)])
    samples = {name: sample(own.get(name) or records.plain[name]) for name in formula.names}
    try_out(formula, samples)


def _check_rollup(session: ServiceSession, field: "CustomField", records: Records) -> FieldType:
    given = field.rollup or {}
    children = records.children.get(given.get("children", ""))
    if children is None:
        message = f"the records below are {', '.join(sorted(records.children)) or 'none'}"
        raise Invalid("UNKNOWN_CHILDREN", message, field="custom_field.rollup.children")
    function = given.get("function", "")
    if function not in RollupFunction.__members__:
        raise Invalid("INVALID_ROLLUP", "say how the values become one", field="custom_field.rollup.function")
    name = given.get("field", "")
    if function == RollupFunction.COUNT:
        if name:
            raise Invalid("INVALID_ROLLUP", "counting takes no field", field="custom_field.rollup.field")
        return FieldType.NUMBER
    found: Field | None = children.find(session, name)
    result = _KINDS.get(found.kind) if found is not None else None
    if result is None or (function == RollupFunction.SUM and result is not FieldType.NUMBER):
        message = "name a number of the records below, or for the least and the greatest also a date or time"
        raise Invalid("INVALID_ROLLUP", message, field="custom_field.rollup.field")
    return result
