"""Entries as the database holds them: how they are read, and what their digests should be."""

from collections.abc import Iterable
from typing import Any

import orjson
from sqlalchemy import Row

from chassis.audit.entries import canonical, digest, utc_text

COLUMNS = """
    id, CAST(xid AS text) AS xid_text, time, actor, action, resource, request_id, trace_id,
    CAST(before AS text) AS before, CAST(after AS text) AS after, digest
"""
"""What a statement must select for the functions here."""

ERASURES = "auditErasures"
"""The collection of what records of erasures are about."""
TOMBSTONE = "erased"
"""The one key of what stands in the place of content that was erased. Its value names the erasure."""


def recomputed(row: Row[Any]) -> bytes:
    """The digest of what a row holds now."""
    before, after = [None if value is None else canonical(orjson.loads(value)) for value in (row.before, row.after)]
    return digest(_head(row), before, after)


def with_content(row: Row[Any], content: bytes) -> bytes:
    """The digest that a row would have if this stood wherever it holds content."""
    return digest(_head(row), row.before and content, row.after and content)


def erasures_named(contents: Iterable[Any]) -> set[str]:
    """The erasures that tombstones among the contents of an entry name; contents are values, not JSON."""
    return {
        content[TOMBSTONE]
        for content in contents
        if isinstance(content, dict)
        and content.keys() == {TOMBSTONE}
        and str(content[TOMBSTONE]).startswith(f"{ERASURES}/")
    }


def erasures_of(row: Row[Any]) -> set[str]:
    """The erasures that a row's content names."""
    return erasures_named(orjson.loads(value) for value in (row.before, row.after) if value is not None)


def _head(row: Row[Any]) -> tuple[str, ...]:
    return (utc_text(row.time), row.actor, row.action, row.resource, row.request_id, row.trace_id)
