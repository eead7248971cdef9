"""Writing entries, in the transaction of the change."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import orjson
from opentelemetry import trace
from sqlalchemy import text

from chassis.copying import copy_cells, write_lines
from chassis.db import ServiceSession
from chassis.prepared import Prepared

COPY_FROM = 10
"""The number of entries from which on COPY is the faster way to write them. Fewer can be written in a pipeline."""


@dataclass(frozen=True)
class Change:
    """One change to record. `before` is None for a record that is new, `after` for one that is gone."""

    action: str
    resource: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def record(
    session: ServiceSession,
    action: str,
    resource: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Record a change that the session's transaction makes.

    Values may be what columns hold: text, numbers, decimals, times, UUIDs, enumerations, lists and mappings.
    """
    record_all(session, [Change(action, resource, before, after)])


def record_all(session: ServiceSession, changes: Iterable[Change]) -> None:
    """Record many changes at once, some 10 µs each."""
    ReadyChanges(session, changes).write(session)


class ReadyChanges:
    """Changes that are made ready while the database works on something else, and recorded afterwards."""

    def __init__(self, session: ServiceSession, changes: Iterable[Change]) -> None:
        origin = origin_of(session)
        self._rows = [_row(origin, change) for change in changes]
        self._lines = list(map(_line, self._rows)) if len(self._rows) >= COPY_FROM else []

    def write(self, session: ServiceSession) -> None:
        """Record them, in the session's transaction."""
        if self._lines:
            write_prepared(session, self._lines)
            return
        for row in self._rows:
            _INSERT.write(session, **dict(zip(_COLUMNS, row, strict=True)))


@dataclass(frozen=True)
class Origin:
    """By whom and when changes are made, and on which occasion."""

    time: str
    actor: str
    request_id: str
    trace_id: str


def origin_of(session: ServiceSession) -> Origin:
    """The origin of what a session does."""
    span = trace.get_current_span().get_span_context()
    trace_id = f"{span.trace_id:032x}" if span.is_valid else ""
    return Origin(utc_text(session.now), session.caller.subject, session.request_id, trace_id)


def prepare(origin: Origin, change: Change) -> str:
    """A change, ready for `write_prepared`: for imports, which prepare rows while the database works on others."""
    return _line(_row(origin, change))


class NewRecords:
    """Prepares entries about new records of one collection, in a fraction of the time that `prepare` takes."""

    def __init__(self, origin: Origin, action: str, collection: str) -> None:
        start = [origin.time, origin.actor, action, f"{collection}/"]
        self._head = orjson.dumps(start)[:-2], b'",' + orjson.dumps([origin.request_id, origin.trace_id])[1:] + b"\n-\n"
        self._cells = copy_cells(start), f"\t{copy_cells([origin.request_id, origin.trace_id, None])}\t"

    def lines(self, keys: Sequence[str], contents: Sequence[str]) -> list[str]:
        """The entries of records, for `write_prepared`. Keys are what follows the collection in their names, contents
        what `canonical` makes of the records."""
        (start, end), (left, right), sha256 = self._head, self._cells, hashlib.sha256
        digests = [
            sha256(b"%b%b%b%b" % (start, key.encode(), end, content.encode())).hexdigest()
            for key, content in zip(keys, contents, strict=True)
        ]
        if "\\" in "".join(contents):
            contents = [content.replace("\\", r"\\") for content in contents]  # all that JSON leaves to be escaped
        return [
            f"{left}{key}{right}{content}\t\\\\x{digest}"
            for key, content, digest in zip(keys, contents, digests, strict=True)
        ]


def write_prepared(session: ServiceSession, lines: Iterable[str]) -> None:
    """Record changes that the session's transaction makes and that were made ready before."""
    write_lines(session, "audit_entry", _COLUMNS, lines)


_COLUMNS = ("time", "actor", "action", "resource", "request_id", "trace_id", "before", "after", "digest")
_INSERT = Prepared(
    text(
        "INSERT INTO audit_entry (time, actor, action, resource, request_id, trace_id, before, after, digest) VALUES"
        " (CAST(:time AS timestamptz), :actor, :action, :resource, :request_id, :trace_id,"
        " CAST(:before AS jsonb), CAST(:after AS jsonb), :digest)"
    )
)


def _row(origin: Origin, change: Change) -> tuple[Any, ...]:
    before, after = canonical(change.before), canonical(change.after)
    head = (origin.time, origin.actor, change.action, change.resource, origin.request_id, origin.trace_id)
    return (*head, before and before.decode(), after and after.decode(), digest(head, before, after))


def _line(row: tuple[Any, ...]) -> str:
    return f"{copy_cells(row[:-1])}\t\\\\x{row[-1].hex()}"


def utc_text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def digest(head: Sequence[str], before: bytes | None, after: bytes | None) -> bytes:
    return hashlib.sha256(b"\n".join([orjson.dumps(head), before or b"-", after or b"-"])).digest()


def canonical(values: Mapping[str, Any] | None) -> bytes | None:
    """JSON that comes out the same after a way through jsonb."""
    if values is None:
        return None
    return orjson.dumps(values if _is_plain(values) else _plain(values), option=orjson.OPT_SORT_KEYS)


def _is_plain(values: Mapping[str, Any]) -> bool:
    """Whether `_plain` would change nothing, as for most records. To rebuild a record costs more than to write it."""
    for key, value in values.items():
        kind = type(value)
        if kind is list:
            plain = all(type(item) is str for item in value)
        elif kind is int:
            plain = -(2**63) <= value < 2**63
        else:
            plain = kind is str or kind is bool or value is None
        if not plain or type(key) is not str:
            return False
    return type(values) is dict


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**63 else str(value)
    if kind is float:
        # jsonb keeps 1e300 as a long integer and drops the sign of -0.0.
        return _plain(int(value)) if value.is_integer() else value if abs(value) < float("inf") else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)
