"""A migrated database per module, emptied before each test."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from chassis.callers import service_caller
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.errors import NotFound
from chassis.names import new_id
from chassis.testing import make_caller
from chassis.testing.plugin import MakeDatabase
from leads.main import SERVICE
from leads.usecases.learn_customers import CustomerFacts, learn_customers
from sqlalchemy import text

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
TABLES = (
    "lead, follow_up, follow_up_rules, known_customer, known_user, known_department, outbox, audit_entry, record_share"
)


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture(scope="module")
def module_database(make_database: MakeDatabase, clock: FixedClock) -> Iterator[Database]:
    database = Database("leads", make_database("leads", SERVICE.migrations), clock=clock)
    yield database
    database.dispose()


@pytest.fixture
def database(module_database: Database, clock: FixedClock) -> Database:
    clock.set(NOON)
    with module_database.engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES} RESTART IDENTITY"))
    return module_database


class Directory:
    """The customers service as these tests need it: it knows the owners of some customers."""

    def __init__(self) -> None:
        self.owners: dict[UUID, UUID | None] = {}

    def owner_of(self, customer_id: UUID) -> UUID | None:
        if customer_id not in self.owners:
            raise NotFound("CUSTOMER_NOT_FOUND", "no such customer")
        return self.owners[customer_id]


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
