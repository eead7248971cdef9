"""Formulas of custom fields: expressions over a record's values, evaluated whenever the record is written.

The language is that of arithmetic, comparison and `a if condition else b` in Python's notation, evaluated by
simpleeval: no attributes, no calls but of the functions below. Numbers are exact decimals. A formula that meets a
missing value, divides by zero, or comes to something that is not of its result type has no value.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

from simpleeval import InvalidExpression, SimpleEval, safe_add, safe_mult

from chassis.custom_values import FieldType, ValueRule, normalise
from chassis.errors import Conflict, Invalid

MAX_EXPRESSION = 1_000
MAX_NODES = 200
RESULT_TYPES = (FieldType.TEXT, FieldType.NUMBER, FieldType.BOOLEAN, FieldType.DATE, FieldType.DATETIME)

_CONTEXT = Context(prec=50, rounding=ROUND_HALF_UP)
_ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant,
    ast.Load, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


@dataclass(frozen=True)
class Formula:
    """An expression that has been read."""

    key: str
    result: FieldType
    tree: ast.expr
    names: frozenset[str]
    """The values that it takes."""


def parse(key: str, expression: str, result: FieldType) -> Formula:
    """Read an expression. Raises Invalid INVALID_FORMULA, saying where it fails."""
    if not 1 <= len(expression.strip()) <= MAX_EXPRESSION:
        raise _wrong(f"write a formula of at most {MAX_EXPRESSION} characters")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _wrong("the formula cannot be read: check brackets, quotes and operators") from None
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        raise _wrong(f"a formula has at most {MAX_NODES} parts")
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        _check(node)
    names = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in called}
    return Formula(key, result, tree.body, frozenset(names))


def _check(node: ast.AST) -> None:
    if not isinstance(node, _ALLOWED):
        raise _wrong(f"a formula knows no {type(node).__name__}")
    if isinstance(node, ast.operator | ast.unaryop | ast.cmpop) and type(node) not in _OPERATORS:
        raise _wrong(f"a formula knows no operator {type(node).__name__}")
    if isinstance(node, ast.Constant) and not isinstance(node.value, str | int | float | bool | None):
        raise _wrong("a formula holds numbers and texts only")
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS or node.keywords:
            raise _wrong(f"the functions are {', '.join(FUNCTIONS)}")


def _wrong(message: str) -> Invalid:
    return Invalid("INVALID_FORMULA", message, field="custom_field.expression")


def in_order(formulas: Iterable[Formula]) -> list[Formula]:
    """The formulas, each after those that it takes values of. Raises Conflict FORMULA_CYCLE, naming the cycle."""
    waiting = {formula.key: formula for formula in formulas}
    ordered: list[Formula] = []
    done: set[str] = set()

    def place(key: str, above: tuple[str, ...]) -> None:
        if key in above:
            cycle = " → ".join((*above[above.index(key) :], key))
            message = f"the formulas need each other: {cycle}; let one of them go without"
            raise Conflict("FORMULA_CYCLE", message, field="custom_field.expression", cycle=cycle)
        if key in done or key not in waiting:
            return
        for name in sorted(waiting[key].names):
            place(name, (*above, key))
        done.add(key)
        ordered.append(waiting[key])

    for key in waiting:
        place(key, ())
    return ordered


def evaluate(formula: Formula, names: Mapping[str, Any]) -> Any:
    """The value in its stored form; None for none."""
    evaluator = _Evaluator(operators=_OPERATORS, functions=FUNCTIONS, names=names)
    with localcontext(_CONTEXT):
        try:
            value = evaluator.eval("", previously_parsed=formula.tree)
        except (TypeError, ArithmeticError, ValueError, InvalidExpression):
            return None  # documented above: there is no value
    return _as_stored(formula.result, value)


def try_out(formula: Formula, samples: Mapping[str, Any]) -> None:
    """Raise Invalid INVALID_FORMULA if a formula cannot come to its result type even with every value there."""
    evaluator = _Evaluator(operators=_OPERATORS, functions=FUNCTIONS, names=samples)
    with localcontext(_CONTEXT):
        try:
            value = evaluator.eval("", previously_parsed=formula.tree)
        except ArithmeticError:
            return  # depends on the values
        except (TypeError, ValueError, InvalidExpression, RecursionError):
            raise _wrong("the formula mixes values that do not go together, or calls a function wrongly") from None
    if value is not None and _as_stored(formula.result, value) is None:
        raise _wrong(f"the formula does not come to a value of the type {formula.result}")


def _as_stored(result: FieldType, value: Any) -> Any:
    if value is None or value == "":
        return None
    if result is FieldType.TEXT and isinstance(value, Decimal):
        value = _text(value)
    try:
        return normalise(ValueRule(result), value)
    except Invalid:
        return None


class _Evaluator(SimpleEval):  # type: ignore[misc]
    """simpleeval with exact decimals for numbers."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.nodes[ast.Constant] = _constant


def _constant(node: ast.Constant) -> Any:
    value = node.value
    return Decimal(repr(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _if(condition: Any, yes: Any, no: Any = None) -> Any:
    return yes if condition else no


def _round(number: Decimal, places: Decimal = Decimal(0)) -> Decimal:
    if not 0 <= places <= 10:
        raise ValueError("places")
    return number.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP)


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if value is not None and value != ""), None)


def _days(later: date, earlier: date) -> Decimal:
    return Decimal((_day(later) - _day(earlier)).days)


def _day(value: Any) -> date:
    if isinstance(value, str):
        return date.fromisoformat(value)
    return value.date() if isinstance(value, datetime) else value


def _add_days(day: date, days: Decimal) -> date:
    return date.fromordinal(_day(day).toordinal() + int(days))


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if value is None:
        raise TypeError("missing")
    return value.isoformat() if isinstance(value, date) else str(value)


def _part(part: str) -> Callable[[Any], Decimal]:
    return lambda value: Decimal(getattr(_day(value), part))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "IF": _if,
    "ROUND": _round,
    "ABS": abs,
    "MIN": lambda *values: min(values),
    "MAX": lambda *values: max(values),
    "COALESCE": _coalesce,
    "CONCAT": lambda *values: "".join(map(_text, values)),
    "TEXT": _text,
    "LEN": lambda value: Decimal(len(value)),
    "DATE": _day,
    "DAYS": _days,
    "ADD_DAYS": _add_days,
    "YEAR": _part("year"),
    "MONTH": _part("month"),
    "EMPTY": lambda value: value is None or value == "" or value == [],
    "HAS": lambda values, item: values is not None and item in values,
}
"""What formulas may call. DAYS(later, earlier) counts days, HAS(list, item) asks for a part of a list or text."""

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: safe_add,
    ast.Sub: operator.sub,
    ast.Mult: safe_mult,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

_SAMPLES: Mapping[FieldType, Any] = {
    FieldType.NUMBER: Decimal(2),
    FieldType.MONEY: Decimal(2),
    FieldType.BOOLEAN: True,
    FieldType.DATE: date(2026, 1, 31),
    FieldType.DATETIME: datetime(2026, 1, 31, tzinfo=UTC),
    FieldType.MULTI_CHOICE: ["a"],
}


def sample(kind: FieldType) -> Any:
    """Any value of a type, as formulas see it."""
    return _SAMPLES.get(kind, "a")


def seen(kind: FieldType, value: Any, zone: ZoneInfo) -> Any:
    """A stored value as formulas see it: numbers and amounts as decimals, dates and times as such; see `at_home`."""
    if value is None:
        return None
    match kind:
        case FieldType.MONEY:
            return Decimal(value["amount"])
        case FieldType.NUMBER:
            return Decimal(value if isinstance(value, str) else repr(value))
        case FieldType.DATE:
            return date.fromisoformat(value)
        case FieldType.DATETIME:
            return at_home(datetime.fromisoformat(value), zone)
    return value


def at_home(value: Any, zone: ZoneInfo) -> Any:
    """A value with its time, if it is one, by the clock of a zone, so that the day it falls on is that of the
    organisation's calendar."""
    try:
        return value.astimezone(zone) if isinstance(value, datetime) else value
    except OverflowError:  # at the end of all times
        return value


def names_of(formulas: Sequence[Formula]) -> frozenset[str]:
    """All values that some formulas take."""
    return frozenset().union(*(formula.names for formula in formulas))
