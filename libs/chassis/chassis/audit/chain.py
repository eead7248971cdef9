"""Sealing entries into the chain of blocks."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session, defer

from chassis import locks
from chassis.audit.entries import utc_text
from chassis.audit.model import AuditBlock
from chassis.db import ServiceSession

BLOCK_SIZE = 1000
BLOCKS_PER_SEAL = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tip:
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
    locks.hold(session, "audit chain")
    cluster = session.scalar(text("SELECT (pg_control_system()).system_identifier")) or 0
    was = tip_of(session)
    if was is None or was.cluster != cluster:
        sealed = _seal_all(session, was, cluster)
    else:
        sealed = _seal_pending(session, was, cluster)
        if not sealed:
            return 0
    _move_tip(session, was)
    return sealed


def _seal_pending(session: ServiceSession, tip: Tip, cluster: int) -> int:
    """Seal what is final since the tip."""
    rows = session.execute(_PENDING, {**place(tip), "limit": BLOCK_SIZE * BLOCKS_PER_SEAL}).all()
    for start in range(0, len(rows), BLOCK_SIZE):
        part = rows[start : start + BLOCK_SIZE]
        tip = _append(session, tip, part, Tip(0, cluster, tip.floor_id, part[-1].xid_text, part[-1].id, b""))
    return len(rows)


def _move_tip(session: ServiceSession, was: Tip | None) -> None:
    """Note up to where the log is sealed now. What was noted of another chain than the one that goes on stays: by it a
    log is found out that was emptied or cut off."""
    now = tip_of(session)
    moved = session.execute(
        _MOVE,
        {
            "was": was.number if was else 0,
            "was_hash": was.hash if was else bytes(32),
            "number": now.number if now else 0,
            "hash": now.hash if now else bytes(32),
        },
    )
    if moved.rowcount == 0:  # type: ignore[attr-defined]
        _log.error("the audit log does not go on where it was sealed last", extra={"block": was.number if was else 0})


_MOVE = text("UPDATE audit_tip SET number = :number, hash = :hash WHERE number = :was AND hash = :was_hash")
_PENDING = text("""
    SELECT id, CAST(xid AS text) AS xid_text, digest FROM audit_entry
    WHERE id > :floor_id AND (xid, id) > (CAST(:last_xid AS xid8), :last_id)
      AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, id LIMIT :limit
""")


def _seal_all(session: ServiceSession, tip: Tip | None, cluster: int) -> int:
    """Seal whatever is in no block, and start counting transactions of this cluster.

    For a new chain, and for one that was restored into another cluster, whose transaction ids start anew.
    Writers wait meanwhile, so that every later entry has a greater id.
    """
    session.execute(text("LOCK TABLE audit_entry IN SHARE MODE"))
    rows = session.execute(_UNSEALED).all()
    floor_id = session.scalar(text("SELECT coalesce(max(id), 0) FROM audit_entry")) or 0
    after = Tip(0, cluster, floor_id, "0", 0, b"")
    for start in range(0, max(len(rows), 1), BLOCK_SIZE):
        tip = _append(session, tip, rows[start : start + BLOCK_SIZE], after)
    return len(rows)


_UNSEALED = text("""
    SELECT id, CAST(xid AS text) AS xid_text, digest FROM audit_entry
    WHERE id IN (SELECT id FROM audit_entry EXCEPT SELECT unnest(entry_ids) FROM audit_block)
    ORDER BY id
""")


def _append(session: ServiceSession, tip: Tip | None, rows: Sequence[Row[Any]], after: Tip) -> Tip:
    block = AuditBlock(
        number=tip.number + 1 if tip else 1,
        time=session.now,
        cluster=after.cluster,
        floor_id=after.floor_id,
        last_xid=after.last_xid,
        last_id=after.last_id,
        entry_ids=[row.id for row in rows],
        digests=b"".join(placed_digest(row) for row in rows),
        previous_hash=tip.hash if tip else bytes(32),
    )
    block.hash = block_hash(block)
    session.add(block)
    session.flush()
    _log.info("audit block sealed", extra={"block": block.number, "hash": block.hash.hex(), "entries": len(rows)})
    session.expunge(block)
    return _tip_at(block)


def placed_digest(row: Row[Any]) -> bytes:
    """The digest of an entry together with its place in the order, which the database gave it."""
    return hashlib.sha256(b"%d %s " % (row.id, row.xid_text.encode()) + row.digest).digest()


def block_hash(block: AuditBlock) -> bytes:
    numbers = [block.number, block.cluster, block.floor_id, block.last_xid, block.last_id, block.entry_ids]
    head = orjson.dumps([utc_text(block.time), *numbers])
    return hashlib.sha256(b"\n".join([block.previous_hash, head, block.digests])).digest()


def tip_of(session: Session) -> Tip | None:
    newest = select(AuditBlock).order_by(AuditBlock.number.desc()).limit(1)
    block = session.scalar(newest.options(defer(AuditBlock.entry_ids), defer(AuditBlock.digests)))
    return None if block is None else _tip_at(block)


def _tip_at(block: AuditBlock) -> Tip:
    return Tip(block.number, block.cluster, block.floor_id, block.last_xid, block.last_id, block.hash)


def place(tip: Tip | None) -> dict[str, Any]:
    return {
        "number": tip.number if tip else 0,
        "floor_id": tip.floor_id if tip else 0,
        "last_xid": tip.last_xid if tip else "0",
        "last_id": tip.last_id if tip else 0,
    }


def unsealed(session: Session) -> int:
    """The number of committed entries that are not sealed yet."""
    return session.scalar(_COUNT_UNSEALED, place(tip_of(session))) or 0


_COUNT_UNSEALED = text("""
    SELECT count(*) FROM audit_entry WHERE id > :floor_id AND (xid, id) > (CAST(:last_xid AS xid8), :last_id)
""")


def head(session: Session) -> tuple[int, str]:
    """The number and hash of the last block: kept elsewhere, they show later if the chain's end was cut off."""
    tip = tip_of(session)
    return (tip.number, tip.hash.hex()) if tip else (0, "")
