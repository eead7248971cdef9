"""Conditions in CEL, the Common Expression Language (https://cel.dev): it has no loops without end, no way out, and
types, so that most of what is wrong with a condition is found when it is written: docs/adr/0012-automation.md.

Only this module knows the library.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from chassis.errors import DomainError, Invalid

from leads.automation.checked import examine

MAX_CHARACTERS = 2_000
MAX_COST = 10_000
"""How many steps a condition may take at most, each some microsecond."""

_MESSAGE = 300
_POSITION = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_CODES = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$|\s*\(in container ''\)")
_NO_VALUE = re.compile(r"No value with name \"([^\"]+)\" found")

_FAULTS = (
    "divide by zero",
    "modulus by zero",
    "overflow",
    "Index error",
    "Key not found",
    "No matching overloads",
    "conversion failed",
    "invalid regular expression",
    "Iteration budget exceeded",
)

_TYPES = {
    "string": cel.Type.STRING,
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
    "timestamp": cel.Type.TIMESTAMP,
    "list(string)": cel.Type.List(cel.Type.STRING),
}


@dataclass(frozen=True)
class Issue:
    """Something wrong with a condition. Line and column begin with 1; both are 0 if it concerns the whole."""

    reason: str
    message: str
    line: int = 0
    column: int = 0


class NoValue(DomainError):
    """The condition asks for a value that the record lacks."""

    def __init__(self, name: str) -> None:
        super().__init__("NO_VALUE", f"the record has no value for {name}")


class CannotTell(DomainError):
    """The condition cannot be judged for these values, as if it divides by one that is 0."""

    def __init__(self, told: str) -> None:
        # What the library tells may hold values of the record, which are not for whoever reads the log.
        known = next((part for part in _FAULTS if part in told), "")
        super().__init__("CONDITION_FAILED", f"the condition cannot be judged for this record: {known or 'a value'}")


class Condition:
    """A condition that was found right."""

    def __init__(self, expression: Any, reads: frozenset[str]) -> None:
        self.reads = reads
        """The variables that it names."""
        self._expression = expression

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it holds for values by name, of which those may lack that a record does not have.

        Raises NoValue or CannotTell.
        """
        known = {name: values[name] for name in self.reads if name in values}
        try:
            found = self._expression.eval(data=known)
            value, failed = found.value(), found.type() == cel.Type.ERROR
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            raise CannotTell(str(error)) from None
        if failed:
            message = str(value)
            lacking = _NO_VALUE.search(message)
            raise NoValue(lacking[1]) if lacking else CannotTell(message)
        return bool(value)


def compile_condition(text: str, variables: Mapping[str, str]) -> Condition:
    """A condition over variables given by name and type. Raises Invalid, saying what is wrong and where."""
    return _compiled(text, tuple(sorted(variables.items())))


def issues_of(text: str, variables: Mapping[str, str]) -> Sequence[Issue]:
    """All that is wrong with a condition."""
    try:
        compile_condition(text, variables)
    except InvalidCondition as error:
        return error.issues
    return ()


class InvalidCondition(Invalid):
    """A condition cannot be used."""

    def __init__(self, *issues: Issue) -> None:
        first = issues[0]
        place = f"line {first.line}, column {first.column}: " if first.line else ""
        super().__init__(
            first.reason, f"{place}{first.message}", field="condition", line=first.line, column=first.column
        )
        self.issues = issues


@lru_cache(maxsize=512)
def _compiled(text: str, variables: tuple[tuple[str, str], ...]) -> Condition:
    if len(text) > MAX_CHARACTERS:
        message = f"at most {MAX_CHARACTERS:,} characters fit, not {len(text):,}"
        raise InvalidCondition(Issue("CONDITION_TOO_LONG", message))
    if not text.strip():
        return Condition(_environment(variables).compile("true"), frozenset())
    try:
        expression = _environment(variables).compile(text)
        returned, serialized = expression.return_type(), expression.serialize()
    except RuntimeError as error:
        raise InvalidCondition(*_issues(str(error))) from None
    except (ValueError, TypeError):
        raise InvalidCondition(Issue("INVALID_CONDITION", "it holds what is no character")) from None
    if returned != cel.Type.BOOL:
        message = "it must come to true or false, as a comparison does"
        raise InvalidCondition(Issue("INVALID_CONDITION", message, 1, 1))
    names, cost = examine(serialized)
    if cost > MAX_COST:
        message = f"it may take {cost:,} steps, of which {MAX_COST:,} are allowed: leave out loops and long lists"
        raise InvalidCondition(Issue("CONDITION_TOO_COSTLY", message))
    return Condition(expression, names & {name for name, _ in variables})


@lru_cache(maxsize=64)
def _environment(variables: tuple[tuple[str, str], ...]) -> Any:
    return cel.NewEnv(variables={name: _TYPES[kind] for name, kind in variables})


def _issues(told: str) -> list[Issue]:
    found = [
        Issue("INVALID_CONDITION", _plain(message), max(int(line), 0), max(int(column), 0))
        for line, column, message in _POSITION.findall(told)
    ]
    return list(dict.fromkeys(found)) or [Issue("INVALID_CONDITION", _plain(told))]


def _plain(message: str) -> str:
    text = _CODES.sub("", message.splitlines()[0] if message.strip() else "it cannot be read")
    return text[:_MESSAGE]
