"""Databases for tests: one template per service, migrated once, and quick copies of it."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import NullPool, create_engine

import chassis
from chassis.migrations import create_chassis_tables, upgrade

_LOCK = 0x7465_6D70_6C61_7465


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
        for _ in range(3):
            _ensure_template(admin, server, prefix, template, migrations)
            try:
                _run(admin, "CREATE DATABASE {} TEMPLATE {}", name, template)
            except psycopg.errors.InvalidCatalogName:
                continue  # dropped by a run over other sources just now
            return on_database(server, name)
    raise RuntimeError(f"the template {template} keeps vanishing; another test run works on other sources")


def drop_database(url: str) -> None:
    """Drop a database that `create_database` made, whoever is still connected."""
    name = urlsplit(url).path.lstrip("/")
    with psycopg.connect(on_database(url, "postgres"), autocommit=True) as admin:
        _run(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


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
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
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
