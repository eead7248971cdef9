"""Erasing the content of entries, for a person's right to it, in a way that leaves the chain whole.

The digest of an erased entry stays, and with it its place in the chain. A record of the erasure, an entry like any
other, lists the digest of each erased entry as it was and as it is now. So `verify` can tell an erasure from an
alteration: who alters an entry otherwise would have to alter such a record, which the chain holds as well.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from chassis.audit.entries import Change, canonical, record_all
from chassis.audit.stored import COLUMNS, ERASURES, TOMBSTONE, erasures_of, recomputed, with_content
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid, NotFound
from chassis.names import make_name, new_id

ACTION = "audit.erase"
RECORD_SIZE = 500
"""The most entries that one record of an erasure lists."""


def erase(session: ServiceSession, entry_ids: Iterable[int], reason: str) -> int:
    """Replace before and after of entries by a tombstone, and record that. Returns how many had content to erase.

    Who, when, what action and which record stay; so does the reason, which must hold no personal data. Entries that
    are erased already, or that had no content, are left alone.

    Raises Invalid MISSING_REASON; NotFound AUDIT_ENTRY_NOT_FOUND; Conflict ERASURE_RECORD for a record of an erasure,
    which must stay, and AUDIT_ENTRY_ALTERED for an entry that somebody tampered with: erasing it would hide that.
    """
    if not reason.strip():
        raise Invalid("MISSING_REASON", "say why the content of audit entries is erased", field="reason")
    wanted = sorted(set(entry_ids))
    rows = session.execute(_LOCKED, {"ids": wanted}).all()
    if len(rows) < len(wanted):
        missing = min(set(wanted) - {row.id for row in rows})
        raise NotFound(
            "AUDIT_ENTRY_NOT_FOUND", "there is no such audit entry; look the entries up again", entry=missing
        )
    erasable = [row for row in rows if _has_content(row)]
    for part in _parts(erasable):
        _erase(session, part, reason.strip())
    return len(erasable)


_LOCKED = text(f"SELECT {COLUMNS} FROM audit_entry WHERE id = ANY(:ids) ORDER BY id FOR UPDATE")  # noqa: S608


def _has_content(row: Row[Any]) -> bool:
    if row.action == ACTION:
        raise Conflict("ERASURE_RECORD", "the record of an erasure cannot be erased itself; leave it out", entry=row.id)
    if row.before is None and row.after is None:
        return False
    if recomputed(row) == row.digest:
        return True
    if erasures_of(row):
        return False
    raise Conflict(
        "AUDIT_ENTRY_ALTERED", "this audit entry was tampered with; verify the audit log first", entry=row.id
    )


def _parts(rows: Sequence[Row[Any]]) -> Iterable[Sequence[Row[Any]]]:
    return (rows[start : start + RECORD_SIZE] for start in range(0, len(rows), RECORD_SIZE))


def _erase(session: ServiceSession, rows: Sequence[Row[Any]], reason: str) -> None:
    erasure = make_name(ERASURES, new_id())
    tombstone = canonical({TOMBSTONE: erasure}) or b""
    listed = [
        {"id": row.id, "digest": row.digest.hex(), "erased_digest": with_content(row, tombstone).hex()} for row in rows
    ]
    session.execute(_REPLACE, {"ids": [row.id for row in rows], "tombstone": tombstone.decode()})
    record_all(session, [Change(ACTION, erasure, None, {"reason": reason, "entries": listed})])


_REPLACE = text("""
    UPDATE audit_entry SET
        before = CASE WHEN before IS NULL THEN NULL ELSE CAST(:tombstone AS jsonb) END,
        after = CASE WHEN after IS NULL THEN NULL ELSE CAST(:tombstone AS jsonb) END
    WHERE id = ANY(:ids)
""")


def erased_among(session: Session, rows: Sequence[Row[Any]]) -> set[int]:
    """Those of some entries, no longer what their digests say, whose erasure is recorded just as they are now.

    The records are entries of the chain: whether they are what was written is found where they stand.
    """
    names = {name for row in rows for name in erasures_of(row)}
    if not names:
        return set()
    listed = {}
    for record in session.execute(_RECORDS, {"action": ACTION, "names": sorted(names)}):
        if recomputed(record) == record.digest:
            for entry in orjson.loads(record.after)["entries"]:
                listed[entry["id"]] = (entry["digest"], entry["erased_digest"])
    return {row.id for row in rows if listed.get(row.id) == (row.digest.hex(), recomputed(row).hex())}


_RECORDS = text(f"SELECT {COLUMNS} FROM audit_entry WHERE action = :action AND resource = ANY(:names)")  # noqa: S608
