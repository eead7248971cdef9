"""Connections to PostgreSQL, by a URL that may be in a file and then be another one tomorrow.

Connections through a pooler of transactions (PgBouncer with `pool_mode = transaction`) serve another transaction each
time, so nothing may be left in a session: no prepared statement, no SET, no session's lock, no LISTEN, and no
`options` at the start, which poolers refuse. What `options` would say is then the role's default: see `set_defaults`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError

_FILE = "file://"
_DIALECT = "postgresql+psycopg://"

CONNECT = {
    "connect_timeout": 5,
    # A peer that vanished without a word is noticed within half a minute, not within the system's two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_NOTICED = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30000"
OWN_SESSION: dict[str, Any] = {"options": _NOTICED}
"""How a connection is opened that is the process's own: the database notices as soon as we do that the other side is
gone, and gives its locks to somebody else."""


def current_urls(url: str) -> Sequence[str]:
    """The URLs to try, in order: the given one, or the lines of the file that a `file://` URL names, as it is now.

    Raises psycopg.OperationalError if the file cannot be read, is no text or empty, as for a database that is away.
    """
    if not url.startswith(_FILE):
        return (url,)
    path = Path(url.removeprefix(_FILE))
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except OSError as error:
        raise psycopg.OperationalError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise psycopg.OperationalError(f"{path} is not in UTF-8") from None
    if not (urls := [line for line in lines if line]):
        raise psycopg.OperationalError(f"{path} holds no URL")
    return urls


def connect(url: str, **options: Any) -> "psycopg.Connection[Any]":
    """A connection by the first of the URLs that lets us in. Raises psycopg.OperationalError if none does."""
    *others, last = current_urls(url)
    for each in others:
        try:
            return _connect(each, options)
        except psycopg.OperationalError:
            continue  # a password that is not valid yet, or not any more
    return _connect(last, options)


def _connect(url: str, options: dict[str, Any]) -> "psycopg.Connection[Any]":
    try:
        return psycopg.connect(url, **{**CONNECT, **options})
    except psycopg.ProgrammingError:
        # What libpq says of it quotes it, and a password may be in it.
        raise psycopg.OperationalError(
            "the URL of the database is not one: postgresql://user:password@host/name"
        ) from None


def make_engine(url: str, *, connect_options: dict[str, Any] | None = None, **options: Any) -> Engine:
    """An engine whose connections are made by `connect`."""
    given = connect_options or {}
    shown = _DIALECT if url.startswith(_FILE) else url.replace("postgresql://", _DIALECT, 1)
    engine = create_engine(shown, creator=lambda: connect(url, **given), **options)
    event.listen(engine, "checkout", _refuse_lost)
    return engine


def _refuse_lost(connection: "psycopg.Connection[Any]", *_: object) -> None:
    """Let the pool make another connection instead of one that is known to be lost, and give up those of its age.

    SQLAlchemy would begin with its isolation level, tell what the driver says of that as no error of its own, and keep
    it for the next.
    """
    if connection.closed:
        raise InvalidatePoolError


def session_options(statement_seconds: float) -> dict[str, Any]:
    """The same, with what sessions go by in which services work."""
    return {"options": f"-c timezone=UTC -c statement_timeout={int(statement_seconds * 1000)} {_NOTICED}"}


POOLED_OPTIONS: dict[str, Any] = {"prepare_threshold": None}
"""How a connection through a pooler of transactions is opened."""


def set_defaults(url: str, statement_seconds: float) -> None:
    """Let sessions that say nothing of it, as those of a pooler, be as those of `session_options`: the role's own
    defaults in this database, which it may set itself."""
    with connect(url, autocommit=True) as connection:
        role = sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} = {}")
        database = sql.Identifier(connection.info.dbname)
        wanted = {"timezone": "UTC", "statement_timeout": f"{int(statement_seconds)}s"}
        for name, value in wanted.items():
            connection.execute(role.format(database, sql.Identifier(name), sql.Literal(value)))
