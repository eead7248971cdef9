"""Statements of the few hottest calls, compiled once and run by the driver itself.

To execute a statement costs SQLAlchemy several times what the driver needs, and more than all else that happens
in a call that reads one record. Use it where calls are counted in hundreds a second, and plain sessions elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.rows import RowMaker, namedtuple_row
from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    PoolProxiedConnection,
    Select,
    TextClause,
    Update,
    bindparam,
    insert,
    inspect,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from chassis import written
from chassis.db import ServiceSession


@contextmanager
def pipelined(session: ServiceSession) -> Iterator[None]:
    """While this lasts, the database works on what `Prepared.write` and `Prepared.send` gave it and the caller does not
    wait for it, but once at the end.

    Errors come by the end at the latest. Do nothing else with the session meanwhile.
    """
    connection = session.opened()
    try:
        with cast("psycopg.Connection[Any]", connection.connection.driver_connection).pipeline():
            yield
    except psycopg.Error as error:
        raise _within_transaction(connection, "", error) from error


class Sent:
    """A statement that was sent and not waited for."""

    def __init__(self, cursor: "psycopg.Cursor[Any]") -> None:
        self._cursor = cursor

    def first(self) -> Any | None:
        """The first row, or None."""
        return next(iter(self.all()), None)

    def all(self) -> list[Any]:
        """All rows. Ask once, when the pipeline has ended and before the same statement is run again."""
        return self._cursor.fetchall()


class Prepared:
    """A query with parameters (`bindparam("id")`), whose rows are named tuples of its columns.

    Values come as the driver reads them, by no type of SQLAlchemy's: times in UTC, arrays as lists, JSON read.
    """

    def __init__(self, query: Select[*tuple[Any, ...]] | Insert | Update | TextClause) -> None:
        compiled = query.compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
        self._sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._make_row: RowMaker[Any] | None = None

    def first(self, session: ServiceSession, **values: object) -> Any | None:
        """The first row, or None. Within a transaction it sees the transaction's own changes that were flushed."""
        return next(iter(self.all(session, **values)), None)

    def all(self, session: ServiceSession, **values: object) -> list[Any]:
        """All rows, on the same terms."""
        if session.in_transaction():
            return self._run_within(session, values).fetchall()
        engine = cast(Engine, session.get_bind())
        try:
            pooled = engine.raw_connection()
        except psycopg.Error as error:
            raise _as_told_elsewhere(self._sql, error, lost=True) from error
        try:
            return self._run(pooled, values).fetchall()
        except psycopg.Error as error:
            lost = _is_lost(pooled)
            if lost:
                _forget(engine, pooled, error)
            raise _as_told_elsewhere(self._sql, error, lost=lost) from error
        finally:
            pooled.close()

    def write(self, session: ServiceSession, **values: object) -> list[Any]:
        """Run a statement that changes rows, in the session's transaction, and return the rows that it returns. Changes
        of records must be flushed before."""
        cursor = self._run_within(session, values)
        written.executed(self._sql, cursor.rowcount)
        return cursor.fetchall() if cursor.description else []

    def send(self, session: ServiceSession, **values: object) -> Sent:
        """Send a statement within `pipelined`, be it one that reads or one that changes rows. What it returns is there
        when the pipeline has ended, without one at once; what is sent after it sees what it has done."""
        cursor = self._run_within(session, values)
        written.executed(self._sql, cursor.rowcount)
        return Sent(cursor)

    def _run_within(self, session: ServiceSession, values: dict[str, object]) -> psycopg.Cursor[Any]:
        connection = session.opened()
        try:
            return self._run(connection.connection, values)
        except psycopg.Error as error:
            raise _within_transaction(connection, self._sql, error) from error

    def _run(self, pooled: PoolProxiedConnection, values: dict[str, object]) -> psycopg.Cursor[Any]:
        """Run it by the cursor that the connection has for it, which knows its columns and how to read them."""
        cursor: psycopg.Cursor[Any] | None = pooled.info.get(self)
        if cursor is None:
            driver = cast("psycopg.Connection[Any]", pooled.driver_connection)
            cursor = pooled.info[self] = driver.cursor(row_factory=self._rows)
        return cursor.execute(self._sql, {**self._constants, **values} if self._constants else values)

    def _rows(self, cursor: psycopg.Cursor[Any]) -> RowMaker[Any]:
        """How rows are made of what the driver has read. Their type, which takes longer to find, is found once."""
        if self._make_row is None and cursor.description:
            self._make_row = namedtuple_row(cursor)
        return self._make_row or namedtuple_row(cursor)


class NewRow:
    """Writes a new entity of a kind on its own, in the one statement that it takes and without the unit of work, which
    costs more than the statement. From then on the session knows the entity as one that it has read.

    The constructor's caller states defaults of columns; those of the unit of work are not applied.
    """

    def __init__(self, entity: type[DeclarativeBase]) -> None:
        self._entity = entity
        self._written: tuple[Prepared, list[tuple[str, Any]]] | None = None

    def write(self, session: ServiceSession, entity: Any) -> None:
        """Write an entity that no session knows. Other changes must be flushed before, as for all prepared statements.

        Raises IntegrityError as a flush does.
        """
        statement, binders = self._written or self._prepare(session)
        values: dict[str, Any] = {}
        for key, bind in binders:
            value = values[key] = getattr(entity, key)
            if value is None:
                set_committed_value(entity, key, None)
            elif bind is not None:
                values[key] = bind(value)
        statement.write(session, **values)
        make_transient_to_detached(entity)
        session.add(entity)

    def _prepare(self, session: ServiceSession) -> tuple[Prepared, list[tuple[str, Any]]]:
        dialect = session.get_bind().dialect
        columns = {each.key: each.columns[0] for each in inspect(self._entity).column_attrs}
        parameters = {column: bindparam(key, type_=column.type) for key, column in columns.items()}
        binders = [(key, column.type.dialect_impl(dialect).bind_processor(dialect)) for key, column in columns.items()]
        self._written = Prepared(insert(self._entity).values(parameters)), binders
        return self._written


def _within_transaction(connection: Connection, statement: str, error: psycopg.Error) -> Exception:
    lost = _is_lost(connection.connection)
    if lost:
        _forget(connection.engine, connection.connection, error)
        connection.invalidate(error)
    return _as_told_elsewhere(statement, error, lost=lost)


def _as_told_elsewhere(statement: str, error: psycopg.Error, *, lost: bool) -> Exception:
    """An error as SQLAlchemy tells it of its own statements, for whoever maps or retries."""
    return DBAPIError.instance(statement, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=lost)


def _forget(engine: Engine, pooled: PoolProxiedConnection, error: psycopg.Error) -> None:
    """Use none of the connections again that were made before the loss of one was noticed: those of a database that
    was restarted would fail a call each. SQLAlchemy does the same after its own statements."""
    engine.pool._invalidate(pooled, error)


def _is_lost(pooled: PoolProxiedConnection) -> bool:
    """Whether the connection is of no use any more."""
    return bool(cast("psycopg.Connection[Any]", pooled.driver_connection).closed)
