"""Who changed what, when, and how it was before: one entry per write, in the transaction of the write.

Entries are sealed into blocks, each of which holds the digests of its entries and the hash of the block before,
so that an entry altered, removed or slipped in afterwards is found by `verify`. Writers take no lock for it:
`seal` runs on its own and takes the entries that nothing can precede any more, in the order (xid, id), namely
those of transactions older than any still running.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any

import orjson
from opentelemetry import trace
from sqlalchemy import ARRAY, BigInteger, Identity, Index, LargeBinary, Row, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, Session, defer, mapped_column
from sqlalchemy.types import UserDefinedType

from chassis.db import ChassisTables, ServiceSession

BLOCK_SIZE = 1000
BLOCKS_PER_SEAL = 100
COPY_FROM = 10
"""The number of entries from which on COPY is the faster way to write them."""

_log = logging.getLogger(__name__)
_LOCK = 0x6175_6469_7463_6861


class Xid8(UserDefinedType[str]):
    """A transaction id that does not wrap around."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in SQL."""
        return "xid8"


ischema_names["xid8"] = Xid8


class AuditEntry(ChassisTables):
    """One change of one record."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_order", "xid", "id"), Index("ix_audit_entry_resource", "resource", "id"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    xid: Mapped[str] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    time: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)
    """The resource name of whoever did it."""
    action: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(Text)
    trace_id: Mapped[str] = mapped_column(Text)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class AuditBlock(ChassisTables):
    """A link of the chain."""

    __tablename__ = "audit_block"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    time: Mapped[datetime]
    cluster: Mapped[int] = mapped_column(BigInteger)
    """The identifier of the database cluster that it was sealed in. Transaction ids mean nothing in another."""
    floor_id: Mapped[int] = mapped_column(BigInteger)
    """All entries up to this id were sealed when the chain came to the cluster."""
    last_xid: Mapped[str] = mapped_column(Xid8)
    """With `last_id`: the place up to which all entries above `floor_id` are sealed."""
    last_id: Mapped[int] = mapped_column(BigInteger)
    entry_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    digests: Mapped[bytes] = mapped_column(LargeBinary)
    """The digests of the entries with their ids and transaction ids, one after the other."""
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Change:
    """One change to record. `before` is None for a record that is new, `after` for one that is gone."""

    action: str
    resource: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Break(StrEnum):
    """How a chain is broken."""

    ALTERED = "ALTERED"
    """An entry is not what was written."""
    MISSING = "MISSING"
    """A sealed entry is gone."""
    INSERTED = "INSERTED"
    """An entry that was not there when its place in the order was sealed."""
    BLOCK_ALTERED = "BLOCK_ALTERED"
    """A block is gone or not what was sealed."""


@dataclass(frozen=True)
class BrokenLink:
    """The first place where a chain is broken."""

    kind: Break
    block: int | None
    entry: int | None

    def __str__(self) -> str:
        where = [f"entry {self.entry}"] * (self.entry is not None) + [f"block {self.block}"] * (self.block is not None)
        return f"{self.kind} {', '.join(where)}"


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
    rows = list(_rows(session, changes))
    if len(rows) < COPY_FROM:
        names = ("time", "actor", "action", "resource", "request_id", "trace_id", "before", "after", "digest")
        for row in rows:
            session.execute(_INSERT, dict(zip(names, row, strict=True)))
        return
    driver = session.connection().connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)


_INSERT = text(
    "INSERT INTO audit_entry (time, actor, action, resource, request_id, trace_id, before, after, digest) VALUES"
    " (CAST(:time AS timestamptz), :actor, :action, :resource, :request_id, :trace_id,"
    " CAST(:before AS jsonb), CAST(:after AS jsonb), :digest)"
)
_COPY = "COPY audit_entry (time, actor, action, resource, request_id, trace_id, before, after, digest) FROM STDIN"


def _rows(session: ServiceSession, changes: Iterable[Change]) -> Iterator[tuple[Any, ...]]:
    time, actor, request_id = _time(session.now), session.caller.subject, session.request_id
    span = trace.get_current_span().get_span_context()
    trace_id = f"{span.trace_id:032x}" if span.is_valid else ""
    for change in changes:
        before, after = _canonical(change.before), _canonical(change.after)
        head = (time, actor, change.action, change.resource, request_id, trace_id)
        yield (*head, before and before.decode(), after and after.decode(), _digest(head, before, after))


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _digest(head: Sequence[str], before: bytes | None, after: bytes | None) -> bytes:
    return hashlib.sha256(b"\n".join([orjson.dumps(head), before or b"-", after or b"-"])).digest()


def _canonical(values: Mapping[str, Any] | None) -> bytes | None:
    """JSON that comes out the same after a way through jsonb."""
    return None if values is None else orjson.dumps(_plain(values), option=orjson.OPT_SORT_KEYS)


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
        return _time(value)
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


@dataclass(frozen=True)
class _Tip:
    """Where the chain stands."""

    number: int
    cluster: int
    floor_id: int
    last_xid: str
    last_id: int
    hash: bytes


def seal(session: ServiceSession) -> int:
    """Seal the entries that are final, in blocks of at most 1,000, and return how many they were.

    One call seals at most 100 blocks: call again while it returns something. The head of the chain goes to the
    log with each block, so that a copy of the log also shows if the end of the chain is cut off.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    cluster = session.scalar(text("SELECT (pg_control_system()).system_identifier")) or 0
    tip = _tip(session)
    if tip is None or tip.cluster != cluster:
        return _seal_all(session, tip, cluster)
    rows = session.execute(_PENDING, {**_place(tip), "limit": BLOCK_SIZE * BLOCKS_PER_SEAL}).all()
    for start in range(0, len(rows), BLOCK_SIZE):
        part = rows[start : start + BLOCK_SIZE]
        tip = _append(session, tip, part, _Tip(0, cluster, tip.floor_id, part[-1].xid_text, part[-1].id, b""))
    return len(rows)


_PENDING = text("""
    SELECT id, CAST(xid AS text) AS xid_text, digest FROM audit_entry
    WHERE id > :floor_id AND (xid, id) > (CAST(:last_xid AS xid8), :last_id)
      AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, id LIMIT :limit
""")


def _seal_all(session: ServiceSession, tip: _Tip | None, cluster: int) -> int:
    """Seal whatever is in no block, and start counting transactions of this cluster.

    For a new chain, and for one that was restored into another cluster, whose transaction ids start anew.
    Writers wait meanwhile, so that every later entry has a greater id.
    """
    session.execute(text("LOCK TABLE audit_entry IN SHARE MODE"))
    rows = session.execute(_UNSEALED).all()
    floor_id = session.scalar(text("SELECT coalesce(max(id), 0) FROM audit_entry")) or 0
    after = _Tip(0, cluster, floor_id, "0", 0, b"")
    for start in range(0, max(len(rows), 1), BLOCK_SIZE):
        tip = _append(session, tip, rows[start : start + BLOCK_SIZE], after)
    return len(rows)


_UNSEALED = text("""
    SELECT id, CAST(xid AS text) AS xid_text, digest FROM audit_entry
    WHERE id IN (SELECT id FROM audit_entry EXCEPT SELECT unnest(entry_ids) FROM audit_block)
    ORDER BY id
""")


def _append(session: ServiceSession, tip: _Tip | None, rows: Sequence[Row[Any]], after: _Tip) -> _Tip:
    block = AuditBlock(
        number=tip.number + 1 if tip else 1,
        time=session.now,
        cluster=after.cluster,
        floor_id=after.floor_id,
        last_xid=after.last_xid,
        last_id=after.last_id,
        entry_ids=[row.id for row in rows],
        digests=b"".join(_placed(row) for row in rows),
        previous_hash=tip.hash if tip else bytes(32),
    )
    block.hash = _block_hash(block)
    session.add(block)
    session.flush()
    _log.info("audit block sealed", extra={"block": block.number, "hash": block.hash.hex(), "entries": len(rows)})
    session.expunge(block)
    return _tip_at(block)


def _placed(row: Row[Any]) -> bytes:
    """The digest of an entry together with its place in the order, which the database gave it."""
    return hashlib.sha256(b"%d %s " % (row.id, row.xid_text.encode()) + row.digest).digest()


def _block_hash(block: AuditBlock) -> bytes:
    numbers = [block.number, block.cluster, block.floor_id, block.last_xid, block.last_id, block.entry_ids]
    head = orjson.dumps([_time(block.time), *numbers])
    return hashlib.sha256(b"\n".join([block.previous_hash, head, block.digests])).digest()


def _tip(session: Session) -> _Tip | None:
    newest = select(AuditBlock).order_by(AuditBlock.number.desc()).limit(1)
    block = session.scalar(newest.options(defer(AuditBlock.entry_ids), defer(AuditBlock.digests)))
    return None if block is None else _tip_at(block)


def _tip_at(block: AuditBlock) -> _Tip:
    return _Tip(block.number, block.cluster, block.floor_id, block.last_xid, block.last_id, block.hash)


def _place(tip: _Tip | None) -> dict[str, Any]:
    return {
        "number": tip.number if tip else 0,
        "floor_id": tip.floor_id if tip else 0,
        "last_xid": tip.last_xid if tip else "0",
        "last_id": tip.last_id if tip else 0,
    }


def unsealed(session: Session) -> int:
    """The number of committed entries that are not sealed yet."""
    return session.scalar(_COUNT_UNSEALED, _place(_tip(session))) or 0


_COUNT_UNSEALED = text("""
    SELECT count(*) FROM audit_entry WHERE id > :floor_id AND (xid, id) > (CAST(:last_xid AS xid8), :last_id)
""")


def head(session: Session) -> tuple[int, str]:
    """The number and hash of the last block: kept elsewhere, they show later if the chain's end was cut off."""
    tip = _tip(session)
    return (tip.number, tip.hash.hex()) if tip else (0, "")


def verify(session: Session) -> BrokenLink | None:
    """Check the whole chain, and each entry that is not sealed yet against its own digest.

    Returns the first broken link in the chain's order, or None. Takes some 40 s for a million entries.
    """
    tip = _tip(session)
    return _verify_blocks(session, tip) or _verify_places(session, tip) or _verify_tail(session, tip)


def _verify_blocks(session: Session, tip: _Tip | None) -> BrokenLink | None:
    previous = bytes(32)
    for number in range(1, tip.number + 1 if tip else 1):
        block = session.get(AuditBlock, number, populate_existing=True)
        if block is None or block.previous_hash != previous or block.hash != _block_hash(block):
            return BrokenLink(Break.BLOCK_ALTERED, number, None)
        if broken := _verify_entries(session, block):
            return broken
        previous = block.hash
        session.expunge(block)
    return None


def _verify_entries(session: Session, block: AuditBlock) -> BrokenLink | None:
    found = {row.id: row for row in session.execute(_ENTRIES, {"ids": block.entry_ids})}
    for index, entry_id in enumerate(block.entry_ids):
        row = found.get(entry_id)
        if row is None:
            return BrokenLink(Break.MISSING, block.number, entry_id)
        if _recomputed(row) != row.digest or _placed(row) != block.digests[32 * index : 32 * index + 32]:
            return BrokenLink(Break.ALTERED, block.number, entry_id)
    return None


_ENTRIES = text("""
    SELECT id, CAST(xid AS text) AS xid_text, time, actor, action, resource, request_id, trace_id,
           CAST(before AS text) AS before, CAST(after AS text) AS after, digest
    FROM audit_entry WHERE id = ANY(:ids)
""")


def _verify_places(session: Session, tip: _Tip | None) -> BrokenLink | None:
    """Look for entries whose place in the order is sealed, but which no block holds."""
    entry_id = session.scalar(_INSERTED, _place(tip))
    return None if entry_id is None else BrokenLink(Break.INSERTED, None, entry_id)


_INSERTED = text("""
    SELECT min(id) FROM (
        SELECT id FROM audit_entry WHERE id <= :floor_id OR (xid, id) <= (CAST(:last_xid AS xid8), :last_id)
        EXCEPT SELECT unnest(entry_ids) FROM audit_block WHERE number <= :number
    ) AS inserted
""")


def _verify_tail(session: Session, tip: _Tip | None) -> BrokenLink | None:
    place = {**_place(tip), "limit": BLOCK_SIZE}
    while rows := session.execute(_TAIL, place).all():
        for row in rows:
            if _recomputed(row) != row.digest:
                return BrokenLink(Break.ALTERED, None, row.id)
        place |= {"last_xid": rows[-1].xid_text, "last_id": rows[-1].id}
    return None


_TAIL = text("""
    SELECT id, CAST(xid AS text) AS xid_text, time, actor, action, resource, request_id, trace_id,
           CAST(before AS text) AS before, CAST(after AS text) AS after, digest
    FROM audit_entry WHERE id > :floor_id AND (xid, id) > (CAST(:last_xid AS xid8), :last_id)
    ORDER BY xid, id LIMIT :limit
""")


def _recomputed(row: Row[Any]) -> bytes:
    head = (_time(row.time), row.actor, row.action, row.resource, row.request_id, row.trace_id)
    before, after = [None if value is None else _canonical(orjson.loads(value)) for value in (row.before, row.after)]
    return _digest(head, before, after)
