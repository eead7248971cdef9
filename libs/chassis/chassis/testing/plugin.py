"""Fixtures for tests on a real PostgreSQL. Pytest loads them wherever the chassis is installed.

The server is `TEST_POSTGRES_URL` if that is set; else an embedded one is started for the test run when the
first test needs it, shared by all xdist workers, and stopped when the last of them is done.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chassis import connecting, written
from chassis.testing.broker import broker, declare_queues

__all__ = ["MakeDatabase", "broker", "declare_queues", "make_database", "make_lasting_database", "postgres"]

CONNECT_SECONDS = 60

MakeDatabase = Callable[..., str]
"""`make_database(service, migrations=None) -> url`."""


def pytest_configure() -> None:
    """Let every call of every test prove that what it writes is audited, in the processes that tests start, too, and
    none fail because the machine stood still while it connected."""
    os.environ[written.SETTING] = "1"
    written.be_strict()
    connecting.CONNECT["connect_timeout"] = CONNECT_SECONDS


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server's `postgres` database, with the right to create databases."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        yield url
        return
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with _shared_server(folder / "postgres") as url:
        yield url


@pytest.fixture(scope="module")
def make_database(postgres: str) -> Iterator[MakeDatabase]:
    """Makes databases, each fresh and migrated; they are dropped at the end of the module.

    Without migrations a database holds the chassis tables alone.
    """
    with _maker(postgres) as make:
        yield make


@pytest.fixture(scope="session")
def make_lasting_database(postgres: str) -> Iterator[MakeDatabase]:
    """As `make_database`, for databases that the modules of a run share: whoever uses one empties it first."""
    with _maker(postgres) as make:
        yield make


@contextmanager
def _maker(server: str) -> Iterator[MakeDatabase]:
    from chassis.testing.databases import create_database, drop_database

    made: list[str] = []

    def make(service: str, migrations: Path | None = None) -> str:
        made.append(create_database(server, service, migrations))
        return made[-1]

    yield make
    for url in made:
        drop_database(url)


@contextmanager
def _shared_server(folder: Path) -> Iterator[str]:
    """An embedded server that the processes of a test run share; the last one to leave removes it."""
    from embedded import postgres as embedded_postgres

    folder.mkdir(parents=True, exist_ok=True)
    with _users(folder) as users:
        url = embedded_postgres.start(folder, safe=False).admin_url
        users.append(os.getpid())
    try:
        yield url
    finally:
        with _users(folder) as users:
            users.remove(os.getpid())
            if not users:
                embedded_postgres.remove(folder)


@contextmanager
def _users(folder: Path) -> Iterator[list[int]]:
    """The processes that use the server, to change while nobody else looks."""
    with folder.with_suffix(".users").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        users = [int(line) for line in file]
        yield users
        file.seek(0)
        file.truncate()
        file.writelines(f"{pid}\n" for pid in users)
