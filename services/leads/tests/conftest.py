"""A migrated database, emptied before each test."""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from chassis.callers import service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.encryption import DataKeys, new_key
from chassis.names import new_id
from chassis.testing import make_caller
from chassis.testing.databases import Emptying
from chassis.testing.plugin import MakeDatabase
from leads.main import SERVICE
from leads.usecases.learn_customers import CustomerFacts, learn_customers
from sqlalchemy import text

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture(scope="session")
def fresh(make_lasting_database: MakeDatabase, clock: FixedClock) -> Iterator[tuple[Database, Emptying]]:
    keys = DataKeys.parse(f"test:{new_key()}")
    url = make_lasting_database("leads", SERVICE.migrations)
    database = Database("leads", url, clock=clock, data_keys=keys)
    with database.engine.connect() as connection:
        emptying = Emptying(connection)
    yield database, emptying
    database.dispose()


@pytest.fixture(scope="module")
def module_database(fresh: tuple[Database, Emptying], clock: FixedClock) -> Database:
    """The database as a module begins with it, for what its tests share."""
    return _emptied(*fresh, clock)


@pytest.fixture
def database(fresh: tuple[Database, Emptying], clock: FixedClock) -> Database:
    return _emptied(*fresh, clock)


def _emptied(database: Database, emptying: Emptying, clock: FixedClock) -> Database:
    clock.set(NOON)
    with database.engine.begin() as connection:
        emptying.empty(connection)
    return database


class Directory:
    """The customers service as these tests need it: it knows the owners of some customers."""

    def __init__(self) -> None:
        self.owners: dict[UUID, UUID | None] = {}
        self.phones: list[str] = []

    def owners_of(self, customer_ids: Collection[UUID]) -> dict[UUID, UUID | None]:
        return {key: owner for key, owner in self.owners.items() if key in customer_ids}

    def phones_of(self, customer_id: UUID) -> list[str]:
        return self.phones


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def known(database: Database) -> Callable[..., UUID]:
    """Makes a customer known."""

    def make(owner_id: UUID | None = None, path: str | None = None, name: str = "华诚", **values: Any) -> UUID:
        key = values.pop("id", None) or new_id()
        facts = CustomerFacts(key, values.pop("version", 1), name, owner_id, path, **values)
        with database.write(service_caller("leads")) as session:
            learn_customers(session, [facts])
        return key

    return make


@pytest.fixture
def facts(database: Database) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """The events written so far: short name and data."""

    def read() -> list[tuple[str, dict[str, Any]]]:
        with database.read(make_caller()) as session:
            rows = session.execute(text("SELECT type, data FROM outbox ORDER BY position")).all()
        return [(row.type.rpartition(".")[2], row.data) for row in rows]

    return read
