"""What a check has met in the file so far, since it leaves nothing in the table of customers to be found again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from chassis.db import Database
from sqlalchemy import Connection, text

from customers.transfer.matching import LOOK_UP, Identity, keys

_LOOK_UP = text(LOOK_UP.format(table="import_seen", phone="phone"))
_CREATE = """
    CREATE TEMP TABLE import_seen (
      id uuid, kind text, name_key text, credit_code text, external_id text, phone text);
    CREATE INDEX ON import_seen (external_id);
    CREATE INDEX ON import_seen (credit_code);
    CREATE INDEX ON import_seen (name_key);
    SET enable_seqscan = off
"""


class Seen:
    """The new customers of a file, in a temporary table: a file may hold millions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        for statement in _CREATE.split(";"):
            connection.execute(text(statement))

    def look_up(self, wanted: Iterable[Identity]) -> list[Identity]:
        """Those that may be the same as these."""
        return [Identity(*row) for row in self._connection.execute(_LOOK_UP, keys(wanted))]

    def add(self, identities: Iterable[Identity]) -> None:
        """Remember new customers."""
        cursor: Any = self._connection.connection.cursor()
        with cursor.copy("COPY import_seen FROM STDIN") as copy:
            for identity in identities:
                copy.write_row(identity)


@contextmanager
def open_seen(database: Database) -> Iterator[Seen]:
    """A memory that lasts as long as the context."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()  # closed in the end, not pooled, and the temporary table with it
        yield Seen(connection)
