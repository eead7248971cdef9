"""Checking that the chain is whole."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from chassis.audit.chain import Tip, block_hash, place, placed_digest, tip_of
from chassis.audit.entries import canonical, digest, utc_text
from chassis.audit.model import AuditBlock

BATCH = 1000


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


def verify(session: Session) -> BrokenLink | None:
    """Check the whole chain, and each entry that is not sealed yet against its own digest.

    Returns the first broken link in the chain's order, or None. Takes some 40 s for a million entries.
    """
    tip = tip_of(session)
    return _verify_blocks(session, tip) or _verify_places(session, tip) or _verify_tail(session, tip)


def _verify_blocks(session: Session, tip: Tip | None) -> BrokenLink | None:
    previous = bytes(32)
    for number in range(1, tip.number + 1 if tip else 1):
        block = session.get(AuditBlock, number, populate_existing=True)
        if block is None or block.previous_hash != previous or block.hash != block_hash(block):
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
        if _recomputed(row) != row.digest or placed_digest(row) != block.digests[32 * index : 32 * index + 32]:
            return BrokenLink(Break.ALTERED, block.number, entry_id)
    return None


_ENTRIES = text("""
    SELECT id, CAST(xid AS text) AS xid_text, time, actor, action, resource, request_id, trace_id,
           CAST(before AS text) AS before, CAST(after AS text) AS after, digest
    FROM audit_entry WHERE id = ANY(:ids)
""")


def _verify_places(session: Session, tip: Tip | None) -> BrokenLink | None:
    """Look for entries whose place in the order is sealed, but which no block holds."""
    entry_id = session.scalar(_INSERTED, place(tip))
    return None if entry_id is None else BrokenLink(Break.INSERTED, None, entry_id)


_INSERTED = text("""
    SELECT min(id) FROM (
        SELECT id FROM audit_entry WHERE id <= :floor_id OR (xid, id) <= (CAST(:last_xid AS xid8), :last_id)
        EXCEPT SELECT unnest(entry_ids) FROM audit_block WHERE number <= :number
    ) AS inserted
""")


def _verify_tail(session: Session, tip: Tip | None) -> BrokenLink | None:
    position = {**place(tip), "limit": BATCH}
    while rows := session.execute(_TAIL, position).all():
        for row in rows:
            if _recomputed(row) != row.digest:
                return BrokenLink(Break.ALTERED, None, row.id)
        position |= {"last_xid": rows[-1].xid_text, "last_id": rows[-1].id}
    return None


_TAIL = text("""
    SELECT id, CAST(xid AS text) AS xid_text, time, actor, action, resource, request_id, trace_id,
           CAST(before AS text) AS before, CAST(after AS text) AS after, digest
    FROM audit_entry WHERE id > :floor_id AND (xid, id) > (CAST(:last_xid AS xid8), :last_id)
    ORDER BY xid, id LIMIT :limit
""")


def _recomputed(row: Row[Any]) -> bytes:
    head = (utc_text(row.time), row.actor, row.action, row.resource, row.request_id, row.trace_id)
    before, after = [None if value is None else canonical(orjson.loads(value)) for value in (row.before, row.after)]
    return digest(head, before, after)
