"""Which values of an array column so many rows hold that an index on it is of little use for them.

PostgreSQL knows from its own statistics. A process asks for them again from time to time; before a table was analysed
for the first time, none is known.
"""

import time
from weakref import WeakKeyDictionary

from sqlalchemy import text

from chassis.db import Database, ServiceSession
from chassis.prepared import Prepared

FRESH_SECONDS = 600.0
"""How long what was read counts."""
UNKNOWN_SECONDS = 10.0
"""The same for a table without statistics."""
FREQUENT = 0.05
"""The share of the rows from which on a value is frequent: 50 rows of a list in its order are found among 1,000."""

_READ = Prepared(
    text(
        """
        SELECT value
        FROM pg_stats, unnest(CAST(CAST(most_common_elems AS text) AS integer[]), most_common_elem_freqs)
          AS known (value, share)
        WHERE schemaname = current_schema() AND tablename = :table AND attname = :column
          AND value IS NOT NULL AND share >= :share
        """
    )
)


class FrequentValues:
    """The frequent values of an `integer[]` column."""

    def __init__(self, table: str, column: str) -> None:
        self._table = table
        self._column = column
        self._known: WeakKeyDictionary[Database, tuple[float, frozenset[int]]] = WeakKeyDictionary()

    def of(self, session: ServiceSession) -> frozenset[int]:
        """Those of the session's database."""
        until, values = self._known.get(session.database, (0.0, frozenset()))
        now = time.monotonic()
        if now >= until:
            rows = _READ.all(session, table=self._table, column=self._column, share=FREQUENT)
            values = frozenset(row.value for row in rows)
            self._known[session.database] = (now + (FRESH_SECONDS if values else UNKNOWN_SECONDS), values)
        return values
