"""Filters: condition trees that clients send, over the fields that an entity registers.

Each condition is plain true or false: a row without a value for the field fulfils none but the emptiness
operators, OPERATOR_NOT_EQUAL and OPERATOR_NOT_IN. So `not` means just what it says.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property
from typing import Any

from crm.common.v1 import filter_pb2 as pb
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from sqlalchemy import ARRAY, BigInteger, ColumnElement, Float, Integer, Numeric, and_, cast, false, func, literal, or_
from sqlalchemy import true as sql_true

from chassis.callers import Caller, current_caller
from chassis.columns import AnyColumn, stored
from chassis.errors import Invalid
from chassis.field_rules import require_readable
from chassis.likes import containing, starting_with
from chassis.names import parse_name
from chassis.paging import SortKey

MAX_DEPTH = 8
MAX_NODES = 200
MAX_VALUES = 500
MAX_TEXT = 1000
MAX_SORT_KEYS = 5


class FieldKind(StrEnum):
    """What a field's values are, which decides its operators."""

    TEXT = "TEXT"
    NUMBER = "NUMBER"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    TIME = "TIME"
    ENUM = "ENUM"
    REFERENCE = "REFERENCE"
    TEXT_LIST = "TEXT_LIST"


@dataclass(frozen=True)
class Field:
    """A field that clients may filter by, and sort by if it is `sortable`."""

    name: str
    kind: FieldKind
    column: AnyColumn
    collection: str = ""
    """For REFERENCE: the collection of the resource names. The column holds their UUIDs."""
    choices: Iterable[str] = ()
    """For ENUM: the values there are."""
    sortable: bool = False
    index: str = ""
    """The index that serves it, or why it needs none. For whoever reads the registry."""
    holds: Callable[[Any], ColumnElement[bool]] | None = None
    """Whether a row has the value, if an index serves that by another expression than `column = value`."""

    @cached_property
    def nullable(self) -> bool:
        """Whether a row may have no value."""
        return bool(getattr(stored(self.column), "nullable", True))


class FieldRegistry:
    """The fields of an entity. `dynamic` finds those that are defined at run time.

    With the name of the `entity`, a field that the caller's roles hide or mask is refused: what a list finds by it,
    and how it sorts, would tell its values. The caller is that of the call under way unless another is given.
    """

    def __init__(
        self, fields: Iterable[Field], dynamic: Callable[[str], Field | None] | None = None, *, entity: str = ""
    ) -> None:
        self._fields = {field.name: field for field in fields}
        self._dynamic = dynamic
        self._entity = entity

    def find(self, name: str, *, path: str, caller: Caller | None = None) -> Field:
        """The field of a name. Raises Invalid UNKNOWN_FIELD, Denied FIELD_NOT_READABLE, naming the path."""
        field = self._fields.get(name) or (self._dynamic(name) if self._dynamic else None)
        if field is None:
            raise Invalid("UNKNOWN_FIELD", f"there is no field {name[:100]!r} here", field=path)
        if self._entity:
            require_readable(caller or current_caller(), self._entity, name, path=path)
        return field

    def knows(self, name: str) -> bool:
        """Whether there is a field of a name."""
        return name in self._fields or (self._dynamic is not None and self._dynamic(name) is not None)

    def where(
        self, condition_tree: pb.Filter, *, path: str = "filter", caller: Caller | None = None
    ) -> ColumnElement[bool]:
        """The condition tree as a predicate; true for an empty one.

        Raises Invalid FILTER_TOO_DEEP, FILTER_TOO_LARGE, UNKNOWN_FIELD, UNSUPPORTED_OPERATOR or INVALID_VALUE, Denied
        FIELD_NOT_READABLE.
        """
        return _Builder(self, caller).build(condition_tree, path, depth=1)

    def order(
        self,
        order_by: Sequence[pb.OrderBy],
        default: Sequence[SortKey],
        tie_breaker: SortKey,
        *,
        caller: Caller | None = None,
    ) -> list[SortKey]:
        """The sort keys that are asked for, or the default, made unique by the tie breaker.

        The tie breaker runs in the direction of the key before it, so that one index serves both directions.
        Raises Invalid UNKNOWN_FIELD, UNSORTABLE_FIELD or INVALID_ORDER, Denied FIELD_NOT_READABLE.
        """
        names = [order.field for order in order_by]
        if len(names) > MAX_SORT_KEYS or len(set(names)) < len(names):
            message = f"sort by at most {MAX_SORT_KEYS} fields, by each of them once"
            raise Invalid("INVALID_ORDER", message, field="order_by")
        keys = [self._sort_key(order, f"order_by[{at}].field", caller) for at, order in enumerate(order_by)]
        keys = keys or [*default]
        return [*keys, replace(tie_breaker, descending=keys[-1].descending) if keys else tie_breaker]

    def _sort_key(self, order: pb.OrderBy, path: str, caller: Caller | None) -> SortKey:
        field = self.find(order.field, path=path, caller=caller)
        if not field.sortable:
            raise Invalid("UNSORTABLE_FIELD", f"lists cannot be sorted by {field.name}", field=path)
        return SortKey(field.column, order.descending, nullable=field.nullable)


def is_empty(condition_tree: pb.Filter) -> bool:
    """Whether a condition tree demands nothing, as far as its outermost node says."""
    return condition_tree.WhichOneof("node") is None


def compared_with(condition_tree: pb.Filter, field: str) -> str | None:
    """The text that a field must be equal to, if a condition tree demands just that; else None."""
    condition = condition_tree.condition
    if condition.field != field or condition.operator != pb.OPERATOR_EQUAL or len(condition.values) != 1:
        return None
    return condition.values[0].text


def filter_to_json(condition_tree: pb.Filter) -> dict[str, Any]:
    """A condition tree in the form in which it is kept; empty for the empty one."""
    return MessageToDict(condition_tree)


def filter_from_json(values: Mapping[str, Any], *, path: str = "filter") -> pb.Filter:
    """Read the form in which a condition tree is kept. Raises Invalid INVALID_VALUE for what is none."""
    try:
        return ParseDict(dict(values), pb.Filter(), max_recursion_depth=MAX_DEPTH * 4)
    except ParseError:
        raise _invalid("this is no filter", path) from None


class _Builder:
    """Turns one condition tree into a predicate, counting what it holds."""

    def __init__(self, registry: FieldRegistry, caller: Caller | None) -> None:
        self._registry = registry
        self._caller = caller
        self._nodes = 0
        self._values = 0

    def build(self, node: pb.Filter, path: str, depth: int) -> ColumnElement[bool]:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise Invalid("FILTER_TOO_DEEP", f"a filter has at most {MAX_DEPTH} levels", field=path)
        if self._nodes > MAX_NODES:
            raise Invalid("FILTER_TOO_LARGE", f"a filter has at most {MAX_NODES} nodes", field=path)
        match node.WhichOneof("node"):
            case "condition":
                return self._condition(node.condition, f"{path}.condition")
            case "all":
                return and_(sql_true(), *self._each(node.all.filters, f"{path}.all", depth))
            case "any":
                return or_(false(), *self._each(node.any.filters, f"{path}.any", depth))
            case "not":
                return ~_surely(self.build(getattr(node, "not"), f"{path}.not", depth + 1))
        return sql_true()

    def _each(self, nodes: Iterable[pb.Filter], path: str, depth: int) -> list[ColumnElement[bool]]:
        return [self.build(node, f"{path}.filters[{at}]", depth + 1) for at, node in enumerate(nodes)]

    def _condition(self, condition: pb.Condition, path: str) -> ColumnElement[bool]:
        field = self._registry.find(condition.field, path=f"{path}.field", caller=self._caller)
        operator = _OPERATORS.get(condition.operator)
        if operator is None or field.kind not in operator.kinds:
            name = pb.Operator.Name(condition.operator) if condition.operator in pb.Operator.values() else "this"
            raise Invalid("UNSUPPORTED_OPERATOR", f"{field.name} does not take {name}", field=f"{path}.operator")
        self._values += len(condition.values)
        if self._values > MAX_VALUES:
            raise Invalid("FILTER_TOO_LARGE", f"a filter has at most {MAX_VALUES} values", field=path)
        least, most = operator.values
        if not least <= len(condition.values) <= most:
            wanted = {(0, 0): "no value", (1, 1): "one value", (2, 2): "two values"}.get((least, most), "some values")
            raise _invalid(f"this operator takes {wanted}", f"{path}.values")
        values = [_parsed(field, value, f"{path}.values[{at}]") for at, value in enumerate(condition.values)]
        if condition.operator == pb.OPERATOR_BETWEEN and values[0] > values[1]:
            raise Invalid(
                "INVALID_VALUE", "the first value must not be greater than the second", field=f"{path}.values"
            )
        return operator.build(field, values)


def _invalid(message: str, path: str) -> Invalid:
    return Invalid("INVALID_VALUE", message, field=path)


def _parsed(field: Field, value: pb.FilterValue, path: str) -> Any:
    """A value in the field's own type. Raises Invalid INVALID_VALUE."""
    given = value.WhichOneof("kind")
    accepted = {FieldKind.BOOLEAN: ("flag",), FieldKind.NUMBER: ("number", "text")}.get(field.kind, ("text",))
    if given not in accepted:
        raise _invalid(f"{field.name} is compared with a {accepted[0]}", path)
    if given == "flag":
        return value.flag
    if given == "number":
        return _decimal(repr(value.number), path)
    text = value.text
    if len(text) > MAX_TEXT or "\0" in text:
        raise _invalid(f"a value has at most {MAX_TEXT} characters, none of them NUL", path)
    if field.kind is FieldKind.REFERENCE:
        return _reference(field, text, path)
    if field.kind is FieldKind.ENUM and text not in set(map(str, field.choices)):
        raise _invalid(f"{field.name} is one of {', '.join(map(str, field.choices))}", path)
    parse = _PARSERS.get(field.kind)
    return parse(text, path) if parse else text


def _reference(field: Field, name: str, path: str) -> Any:
    try:
        return parse_name(field.collection, name, field=path)
    except Invalid as error:
        raise _invalid(error.message, path) from None


def _decimal(text: str, path: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _invalid(f"{text[:50]!r} is no decimal number", path) from None
    if not number.is_finite() or len(number.as_tuple().digits) > 100 or abs(number.adjusted()) > 300:
        raise _invalid("a number has at most 100 digits", path)
    return number


def _date(text: str, path: str) -> date:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _invalid(f"{text[:50]!r} is no date such as 2026-01-31", path)


def _time(text: str, path: str) -> datetime:
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _invalid(f"{text[:50]!r} is no time with its zone such as 2026-01-31T08:00:00+08:00", path)


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PARSERS: Mapping[FieldKind, Callable[[str, str], Any]] = {
    FieldKind.NUMBER: _decimal,
    FieldKind.DATE: _date,
    FieldKind.TIME: _time,
}


def _operands(field: Field, value: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The column and the value in types that compare exactly, and by the column's index wherever that is possible."""
    column = stored(field.column)
    if field.kind is FieldKind.ENUM:
        # Written out, so that PostgreSQL plans by how common the value is. It is one of the choices.
        return column, literal(value, column.type, literal_execute=True)
    if field.kind is not FieldKind.NUMBER:
        return column, literal(value, column.type)
    if isinstance(column.type, Integer):
        bits = 63 if isinstance(column.type, BigInteger) else 31
        if value == value.to_integral_value() and abs(value) < 2**bits:
            return column, literal(int(value), column.type)
        return cast(column, Numeric), literal(value, Numeric())
    if isinstance(column.type, Float):
        return column, literal(float(value), column.type)
    return column, literal(value, Numeric())  # not the column's own type, which would round the value to its scale


def _equal(field: Field, value: Any) -> ColumnElement[bool]:
    if field.holds is not None:
        return field.holds(value)
    if field.kind is FieldKind.TEXT_LIST:
        column = stored(field.column)
        return column.bool_op("@>")(literal([value], column.type))
    left, right = _operands(field, value)
    return left == right


def _is_one_of(field: Field, values: Sequence[Any]) -> ColumnElement[bool]:
    column = stored(field.column)
    if field.holds is not None or field.kind is FieldKind.NUMBER:
        return or_(*[_equal(field, value) for value in values])
    if field.kind is FieldKind.TEXT_LIST:
        return column.bool_op("&&")(literal(list(values), column.type))
    return column.in_([literal(value, column.type) for value in values])


def _has_none(field: Field) -> ColumnElement[bool]:
    column = stored(field.column)
    if isinstance(column.type, ARRAY):
        return or_(column.is_(None), func.cardinality(column) == 0)
    return or_(column.is_(None), column == "") if field.kind is FieldKind.TEXT else column.is_(None)


def _surely(predicate: ColumnElement[bool]) -> ColumnElement[bool]:
    """False instead of unknown, so that it can be negated."""
    return predicate.is_(sql_true())


def _contains(field: Field, values: Sequence[Any]) -> ColumnElement[bool]:
    if field.kind is FieldKind.TEXT_LIST:
        return _equal(field, values[0])
    return stored(field.column).ilike(containing(values[0]))


def _starts_with(field: Field, values: Sequence[Any]) -> ColumnElement[bool]:
    return stored(field.column).ilike(starting_with(values[0]))


def _compare(compare: Callable[[Any, Any], Any]) -> Callable[[Field, Sequence[Any]], ColumnElement[bool]]:
    def build(field: Field, values: Sequence[Any]) -> ColumnElement[bool]:
        predicate: ColumnElement[bool] = compare(*_operands(field, values[0]))
        return predicate

    return build


def _between(field: Field, values: Sequence[Any]) -> ColumnElement[bool]:
    (left, low), (right, high) = _operands(field, values[0]), _operands(field, values[1])
    return and_(left >= low, right <= high)


@dataclass(frozen=True)
class _Operator:
    build: Callable[[Field, Sequence[Any]], ColumnElement[bool]]
    kinds: frozenset[FieldKind]
    values: tuple[int, int] = (1, 1)
    """The least and the greatest number of values."""


_ALL = frozenset(FieldKind)
_SINGLE = _ALL - {FieldKind.TEXT_LIST}
_LISTED = _ALL - {FieldKind.BOOLEAN}
_ORDERED = frozenset({FieldKind.NUMBER, FieldKind.DATE, FieldKind.TIME})
_TEXTS = frozenset({FieldKind.TEXT})

_OPERATORS: Mapping[int, _Operator] = {
    pb.OPERATOR_EQUAL: _Operator(lambda field, values: _equal(field, values[0]), _SINGLE),
    pb.OPERATOR_NOT_EQUAL: _Operator(lambda field, values: ~_surely(_equal(field, values[0])), _SINGLE),
    pb.OPERATOR_LESS: _Operator(_compare(lambda left, right: left < right), _ORDERED),
    pb.OPERATOR_LESS_OR_EQUAL: _Operator(_compare(lambda left, right: left <= right), _ORDERED),
    pb.OPERATOR_GREATER: _Operator(_compare(lambda left, right: left > right), _ORDERED),
    pb.OPERATOR_GREATER_OR_EQUAL: _Operator(_compare(lambda left, right: left >= right), _ORDERED),
    pb.OPERATOR_BETWEEN: _Operator(_between, _ORDERED, (2, 2)),
    pb.OPERATOR_IN: _Operator(_is_one_of, _LISTED, (1, MAX_VALUES)),
    pb.OPERATOR_NOT_IN: _Operator(lambda field, values: ~_surely(_is_one_of(field, values)), _LISTED, (1, MAX_VALUES)),
    pb.OPERATOR_CONTAINS: _Operator(_contains, _TEXTS | {FieldKind.TEXT_LIST}),
    pb.OPERATOR_STARTS_WITH: _Operator(_starts_with, _TEXTS),
    pb.OPERATOR_IS_EMPTY: _Operator(lambda field, _: _has_none(field), _ALL, (0, 0)),
    pb.OPERATOR_IS_NOT_EMPTY: _Operator(lambda field, _: ~_has_none(field), _ALL, (0, 0)),
}
