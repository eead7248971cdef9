"""Checking that the chain is whole."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from chassis.audit.chain import Tip, block_hash, place, placed_digest, tip_of
from chassis.audit.erasure import erased_among
from chassis.audit.model import AuditBlock, AuditTip
from chassis.audit.stored import COLUMNS, recomputed

BATCH = 1000


class Break(StrEnum):
    """How a chain is broken."""

    ALTERED = "ALTERED"
    """An entry is not what was written, and no recorded erasure explains it."""
    MISSING = "MISSING"
    """A sealed entry is gone."""
    INSERTED = "INSERTED"
    """An entry that was not there when its place in the order was sealed."""
    BLOCK_ALTERED = "BLOCK_ALTERED"
    """A block is gone or not what was sealed."""
    TRUNCATED = "TRUNCATED"
    """The log was emptied or cut off: it does not hold the block up to which it was sealed."""


@dataclass(frozen=True)
class BrokenLink:
    """The first place where a chain is broken."""

    kind: Break
    block: int | None
    entry: int | None

    def __str__(self) -> str:
        where = [f"entry {self.entry}"] * (self.entry is not None) + [f"block {self.block}"] * (self.block is not None)
        return f"{self.kind} {', '.join(where)}"


@dataclass(frozen=True)
class Progress:
    """What of a chain was found whole so far."""

    blocks: int = 0
    """The number of the last block checked."""
    hash: bytes = bytes(32)
    """Its hash."""
    entries: int = 0
    """The entries in the blocks."""
    erased: int = 0
    """Those among them whose content was erased."""
    tail_xid: str = "0"
    """With `tail_id`: the place of the last entry checked of those that are in no block."""
    tail_id: int = 0
    tail_entries: int = 0
    tail_erased: int = 0


@dataclass(frozen=True)
class Verification:
    """What a check found."""

    progress: Progress
    broken: BrokenLink | None
    complete: bool
    """False if the time was up before the end of the log was reached."""


class _Broken(Exception):
    def __init__(self, kind: Break, block: int | None, entry: int | None) -> None:
        super().__init__(kind)
        self.link = BrokenLink(kind, block, entry)


def verify(session: Session) -> BrokenLink | None:
    """Check the whole chain, and each entry that is not sealed yet against its own digest.

    Returns the first broken link in the chain's order, or None. Takes some 40 s for a million entries; best in a
    session for reading, as a long transaction would keep entries from being sealed meanwhile.
    """
    return verify_from(session, Progress()).broken


def verify_from(session: Session, progress: Progress, *, seconds: float = float("inf")) -> Verification:
    """Go on with a check, and stop when the time is up. Some 25 entries are checked per millisecond.

    The time is looked at after each block or batch of 1,000 entries; one of them is always checked.
    """
    ends_at = time.monotonic() + seconds
    try:
        for reached in _steps(session, progress):
            progress = reached
            if time.monotonic() >= ends_at:
                return Verification(progress, None, complete=False)
    except _Broken as broken:
        return Verification(progress, broken.link, complete=True)
    return Verification(progress, None, complete=True)


def _steps(session: Session, progress: Progress) -> Iterator[Progress]:
    sealed = session.get(AuditTip, 1, populate_existing=True)  # before the chain, which only grows
    tip = tip_of(session)
    last = tip.number if tip else 0
    if last < progress.blocks:
        raise _Broken(Break.BLOCK_ALTERED, last + 1, None)
    for number in range(progress.blocks + 1, last + 1):
        progress = _check_block(session, number, progress)
        yield progress
    _check_tip(session, sealed, last)
    _check_places(session, tip, progress)
    while (further := _check_tail(session, tip, progress)) is not None:
        progress = further
        yield progress


def _check_tip(session: Session, sealed: AuditTip | None, last: int) -> None:
    """Look for the block up to which the log was sealed at least."""
    if sealed is None or sealed.number > last:
        raise _Broken(Break.TRUNCATED, last + 1, None)
    found = session.scalar(_HASH, {"number": sealed.number}) if sealed.number else bytes(32)
    if found != sealed.hash:
        raise _Broken(Break.TRUNCATED, sealed.number, None)


_HASH = text("SELECT hash FROM audit_block WHERE number = :number")


def _check_block(session: Session, number: int, progress: Progress) -> Progress:
    block = session.get(AuditBlock, number, populate_existing=True)
    if block is None or block.previous_hash != progress.hash or block.hash != block_hash(block):
        raise _Broken(Break.BLOCK_ALTERED, number, None)
    erased = _check_entries(session, block)
    session.expunge(block)
    # What was checked of the tail may be in this block.
    return Progress(number, block.hash, progress.entries + len(block.entry_ids), progress.erased + erased)


def _check_entries(session: Session, block: AuditBlock) -> int:
    """Check the entries of a block. Returns how many of them were erased."""
    found = {row.id: row for row in session.execute(_ENTRIES, {"ids": block.entry_ids})}
    whole: list[Row[Any]] = []
    for index, entry_id in enumerate(block.entry_ids):
        row = found.get(entry_id)
        if row is None or placed_digest(row) != block.digests[32 * index : 32 * index + 32]:
            _check_contents(session, whole, block.number)
            raise _Broken(Break.MISSING if row is None else Break.ALTERED, block.number, entry_id)
        whole.append(row)
    return _check_contents(session, whole, block.number)


def _check_contents(session: Session, rows: Sequence[Row[Any]], block: int | None) -> int:
    """Check entries against their own digests. Returns how many were erased."""
    differing = [row for row in rows if recomputed(row) != row.digest]
    erased = erased_among(session, differing)
    for row in differing:
        if row.id not in erased:
            raise _Broken(Break.ALTERED, block, row.id)
    return len(erased)


_ENTRIES = text(f"SELECT {COLUMNS} FROM audit_entry WHERE id = ANY(:ids)")  # noqa: S608


def _check_places(session: Session, tip: Tip | None, progress: Progress) -> None:
    """Look for entries whose place in the order is sealed, but which no block holds."""
    if session.scalar(_COUNT_PLACED, place(tip)) == progress.entries:
        return
    entry_id = session.scalar(_INSERTED, place(tip))
    if entry_id is not None:
        raise _Broken(Break.INSERTED, None, entry_id)


_PLACED = "id <= :floor_id OR (xid, id) <= (CAST(:last_xid AS xid8), :last_id)"
_COUNT_PLACED = text(f"SELECT count(*) FROM audit_entry WHERE {_PLACED}")  # noqa: S608
_INSERTED = text(f"""
    SELECT min(id) FROM (
        SELECT id FROM audit_entry WHERE {_PLACED}
        EXCEPT SELECT unnest(entry_ids) FROM audit_block WHERE number <= :number
    ) AS inserted
""")  # noqa: S608


def _check_tail(session: Session, tip: Tip | None, progress: Progress) -> Progress | None:
    """Check the next entries that are in no block; None if there are none."""
    after = place(tip)
    if progress.tail_entries:
        after |= {"last_xid": progress.tail_xid, "last_id": progress.tail_id}
    rows = session.execute(_TAIL, {**after, "limit": BATCH}).all()
    if not rows:
        return None
    erased = _check_contents(session, rows, None)
    return replace(
        progress,
        tail_xid=rows[-1].xid_text,
        tail_id=rows[-1].id,
        tail_entries=progress.tail_entries + len(rows),
        tail_erased=progress.tail_erased + erased,
    )


_TAIL = text(f"""
    SELECT {COLUMNS} FROM audit_entry WHERE id > :floor_id AND (xid, id) > (CAST(:last_xid AS xid8), :last_id)
    ORDER BY xid, id LIMIT :limit
""")  # noqa: S608
