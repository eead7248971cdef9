"""Databases for tests: one template per service, migrated once, and quick copies of it."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import Connection, NullPool, TextClause, text
from sqlalchemy.orm import Session

import chassis
from chassis.connecting import make_engine
from chassis.migrations import create_chassis_tables, upgrade

_LOCK = 0x7465_6D70_6C61_7465
_ATTEMPTS = 12
_WAITS = text("""
    SELECT wait_event FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND wait_event_type = 'Lock'
""")


def on_database(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{database}"))


def create_database(server: str, service: str, migrations: Path | None) -> str:
    """Make a fresh copy of a service's migrated database and return its URL.

    Without migrations it holds the chassis tables alone.
    """
    digest = _sources_digest(migrations)
    prefix = f"template_{re.sub('[^a-z0-9]', '_', service.lower()) if migrations else 'chassis'}_"
    template, name = prefix + digest, f"test_{service.lower()}_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        for _ in range(_ATTEMPTS):
            _ensure_template(admin, server, prefix, template, migrations)
            try:
                _run(admin, "CREATE DATABASE {} TEMPLATE {}", name, template)
            except (psycopg.errors.InvalidCatalogName, psycopg.errors.ObjectInUse):
                continue  # dropped by a run over other sources just now, or somebody takes long to leave it
            return on_database(server, name)
    raise RuntimeError(f"the template {template} keeps vanishing; another test run works on other sources")


def drop_database(url: str) -> None:
    """Drop a database that `create_database` made, whoever is still connected."""
    name = urlsplit(url).path.lstrip("/")
    with psycopg.connect(on_database(url, "postgres"), autocommit=True) as admin:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _run(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
                break
            except psycopg.errors.ObjectInUse:  # the server waits 5 s for those it has told to leave
                if attempt == _ATTEMPTS:
                    raise


def waits(connection: Connection | Session) -> Sequence[str]:
    """What the sessions that use this database wait for now, as PostgreSQL calls it: `advisory`, `transactionid` …

    Those that use other databases of the server are the affair of tests that run at the same time.
    """
    connection.execute(text("SELECT pg_stat_clear_snapshot()"))  # a transaction would be shown the same again and again
    return connection.scalars(_WAITS).all()


class Emptying:
    """Empties the tables of a database that are empty now, again and again: what migrations have put in stays.

    As TRUNCATE would, but in a tenth of the time: only tables with rows are touched, and no index gets a new file.
    """

    def __init__(self, connection: Connection) -> None:
        tables = list(connection.scalars(_TABLES))
        seeded = set(connection.scalars(_with_rows(tables)))
        self._filled = _with_rows([table for table in tables if table not in seeded])
        self._sequences: dict[str, list[str]] = {}
        for table, sequence in connection.execute(_SEQUENCES):
            self._sequences.setdefault(table, []).append(sequence)

    def empty(self, connection: Connection) -> None:
        """Delete all rows, and count from 1 again."""
        filled = list(connection.scalars(self._filled))
        if not filled:
            return
        clearing = [f"DELETE FROM {table}" for table in filled]  # noqa: S608 - names from the catalogue
        counting = [f"SELECT setval('{name}', 1, false)" for table in filled for name in self._sequences.get(table, [])]
        # Everything goes, so what refers to what needs neither order nor check.
        connection.execute(text("; ".join(["SET LOCAL session_replication_role = replica", *clearing, *counting])))
        connection.execute(text("SET LOCAL session_replication_role = DEFAULT"))


_TABLES = text("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
_SEQUENCES = text("""
    SELECT CAST(CAST(refobjid AS regclass) AS text), CAST(CAST(objid AS regclass) AS text)
    FROM pg_depend JOIN pg_class ON pg_class.oid = objid AND relkind = 'S'
    WHERE refclassid = CAST('pg_class' AS regclass)
""")


def _with_rows(tables: Iterable[str]) -> TextClause:
    looks = [f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables]  # noqa: S608 - as above
    return text(" UNION ALL ".join(looks))


def _run(admin: psycopg.Connection, statement: str, *names: str) -> None:
    admin.execute(sql.SQL(statement).format(*[sql.Identifier(name) for name in names]))


def _ensure_template(
    admin: psycopg.Connection, server: str, prefix: str, template: str, migrations: Path | None
) -> None:
    if _exists(admin, template):
        return
    with _locked(admin):
        if _exists(admin, template):
            return
        outdated = f"^{prefix}([0-9a-f]{{16}}|unfinished)$"
        for (old,) in admin.execute("SELECT datname FROM pg_database WHERE datname ~ %s", [outdated]).fetchall():
            _run(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", old)
        unfinished = f"{prefix}unfinished"
        _run(admin, "CREATE DATABASE {} TEMPLATE template0", unfinished)
        _fill(on_database(server, unfinished), migrations)
        admin.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(template))
        )


def _exists(admin: psycopg.Connection, name: str) -> bool:
    return admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


@contextmanager
def _locked(admin: psycopg.Connection) -> Iterator[None]:
    admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        yield
    finally:
        admin.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _fill(url: str, migrations: Path | None) -> None:
    if migrations is not None:
        upgrade(url, migrations)
        return
    engine = make_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        create_chassis_tables(connection)


@cache
def _sources_digest(migrations: Path | None) -> str:
    """A digest of all sources that decide what a migrated database looks like."""
    digest = hashlib.sha256()
    for file in sorted(_sources(Path(chassis.__file__).parent), key=str):
        digest.update(file.read_bytes())
    for file in sorted(_sources(migrations.parent) if migrations else [], key=str):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _sources(folder: Path) -> Iterable[Path]:
    return (file for file in folder.rglob("*.py") if "tests" not in file.parts and "testing" not in file.parts)
