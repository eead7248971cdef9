"""Which tables the call under way has changed: by it every write proves that the audit log tells of it.

`chassis.calls` asks before each commit. With `be_strict`, as in all tests, a call that changed rows and recorded
nothing fails; elsewhere it is counted and logged. What changes is seen where statements are run, so that no way of
writing is missed, save a function in the database that changes rows: services have none but triggers, which a test of
the contracts sees to, and what sets off a trigger is seen.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, event

SETTING = "STRICT_AUDIT"
"""The environment variable that makes the processes of a suite strict: `1`."""
_LOG = "audit_entry"
_CHANGE = re.compile(
    r"\b(?:INSERT\s+INTO|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE(?:\s+TABLE)?(?:\s+ONLY)?|"
    r"(?<!FOR )(?<!KEY )(?<!DO )UPDATE(?:\s+ONLY)?)\s+\"?(\w+)",
    re.IGNORECASE,
)
_CHANGES_INSIDE = re.compile(
    r"\bAS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(\s*(?:INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE
)
"""A statement of which a part changes rows: how many, the count of the whole does not tell."""

_LONGEST_KEPT = 10_000

_tables: ContextVar[set[str] | None] = ContextVar("tables", default=None)
_exempt: dict[str, str] = {"idempotency_claim": "what was answered, for retries"}
_strict = False


class UnauditedWrite(AssertionError):
    """A call was about to change records, and the audit log would not have told of it."""


def be_strict(*, strict: bool = True) -> None:
    """Let calls fail in this process that write without an audit entry."""
    global _strict
    _strict = strict


def exempt(table: str, reason: str) -> None:
    """Say why a table holds no records whose change is to be audited. Where a single method is meant, the method says
    so: see `chassis.calls.Calls.transaction`."""
    _exempt[table] = reason


def is_strict() -> bool:
    """Whether such calls fail."""
    return _strict


@contextmanager
def watching() -> Iterator[set[str]]:
    """Gather the names of the tables in which statements change rows from here on, in this call."""
    tables: set[str] = set()
    token = _tables.set(tables)
    try:
        yield tables
    finally:
        _tables.reset(token)


def note(table: str) -> None:
    """Note that rows of a table were changed by a way that the engine does not see."""
    if (tables := _tables.get()) is not None:
        tables.add(table)


def unaudited(tables: set[str]) -> list[str]:
    """The tables that were changed without an audit entry; none if there is an entry."""
    return [] if _LOG in tables else sorted(tables - _exempt.keys())


def watch(engine: Engine) -> None:
    """Note what the statements of an engine change."""
    event.listen(engine, "after_cursor_execute", _executed)


def _executed(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    executed(statement, cursor.rowcount)


def executed(statement: str, rows: int) -> None:
    """Note what a statement changed that was run. `rows` is how many the driver counted, -1 if it did not."""
    tables = _tables.get()
    if tables is not None and (rows != 0 or _CHANGES_INSIDE.search(statement)):
        tables.update(changed_tables(statement))


def changed_tables(statement: str) -> frozenset[str]:
    """The tables that a statement changes."""
    # What is long is an INSERT of many rows: there is one for each number of rows, and to keep them fills the memory.
    return _kept(statement) if len(statement) <= _LONGEST_KEPT else frozenset(_CHANGE.findall(statement))


@lru_cache(maxsize=2048)
def _kept(statement: str) -> frozenset[str]:
    return frozenset(_CHANGE.findall(statement))
