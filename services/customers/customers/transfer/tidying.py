"""What keeps lists quick right after a large import."""

from itertools import starmap

from chassis.db import ServiceSession
from sqlalchemy import FromClause, text

from customers.model import Contact, Customer

MANY_ROWS = 5_000
"""Of fewer rows autovacuum takes care by itself soon enough."""

_SHARE = 0.2
"""The share of a table from which on its statistics are those of another one. Twice that at which autovacuum analyses
it by default, so that it surely follows."""

_STATISTICS_TARGET = 20
_SEARCHED = ("grams", "search_text")
"""Columns that no list is ordered by, and whose statistics cost the most. Searches do without them for a while."""

_MERGE_PENDING = text("SELECT gin_clean_pending_list('ix_customer_grams'), gin_clean_pending_list('ix_contact_grams')")
_STORED_ROWS = text("SELECT reltuples FROM pg_class WHERE oid = CAST('customer' AS regclass)")


def tidy(session: ServiceSession, written: int) -> None:
    """Bring the indexes of searches and, if an import wrote much of what there is, the statistics up to date.

    The statistics are rough: full ones would take a tenth of the time of the import itself. As they leave columns
    out, PostgreSQL does not count the table as analysed, and autovacuum makes full ones in the background.
    """
    if written < MANY_ROWS:
        return
    session.execute(_MERGE_PENDING)
    if written >= _SHARE * (session.scalar(_STORED_ROWS) or 0):
        session.execute(text(f"SET LOCAL default_statistics_target = {_STATISTICS_TARGET}"))
        tables = {"customer": Customer.__table__, "contact": Contact.__table__}
        session.execute(text(f"ANALYZE {', '.join(starmap(_listed, tables.items()))}"))


def _listed(name: str, table: FromClause) -> str:
    columns = [column.name for column in table.columns if column.name not in _SEARCHED]
    return f"{name} ({', '.join(columns)})"
