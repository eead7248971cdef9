"""Queries for the few hottest reads, compiled once and run by the driver itself.

To execute a statement costs SQLAlchemy several times what the driver needs, and more than all else that happens
in a call that reads one record. Use it where calls are counted in hundreds a second, and plain sessions elsewhere.
"""

from typing import Any, cast

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Engine, Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from chassis.db import ServiceSession


class Prepared:
    """A query with parameters (`bindparam("id")`), whose rows are named tuples of its columns.

    Values come as the driver reads them, by no type of SQLAlchemy's: times in UTC, arrays as lists, JSON read.
    """

    def __init__(self, query: Select[Any]) -> None:
        compiled = query.compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
        self._sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def first(self, session: ServiceSession, **values: object) -> Any | None:
        """The first row, or None. Within a transaction it sees the transaction's own changes that were flushed."""
        if session.in_transaction():
            driver = session.connection().connection.driver_connection
            return self._run(cast("psycopg.Connection[Any]", driver), values)
        pooled = cast(Engine, session.get_bind()).raw_connection()
        try:
            return self._run(cast("psycopg.Connection[Any]", pooled.driver_connection), values)
        finally:
            pooled.close()

    def _run(self, driver: "psycopg.Connection[Any]", values: dict[str, object]) -> Any | None:
        with driver.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(self._sql, {**self._constants, **values}).fetchone()
