"""A migrated database, emptied before each test, and the organisation that its tests play in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from chassis.callers import Caller, Reach
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.encryption import DataKeys, new_key
from chassis.names import new_id
from chassis.testing import make_caller
from chassis.testing.databases import Emptying
from chassis.testing.plugin import MakeDatabase
from customers.main import SERVICE
from customers.model import KnownUser
from sqlalchemy import text

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture(scope="session")
def fresh(make_lasting_database: MakeDatabase, clock: FixedClock) -> Iterator[tuple[Database, Emptying]]:
    keys = DataKeys.parse(f"test:{new_key()}")
    url = make_lasting_database("customers", SERVICE.migrations)
    database = Database("customers", url, clock=clock, data_keys=keys)
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
        connection.execute(text("DELETE FROM tier WHERE creator <> 'services/customers'"))
        connection.execute(text("UPDATE tier SET rule = NULL, archived = false, version = 1"))
    return database


@dataclass
class Person:
    """A user in a department."""

    id: UUID
    path: str
    username: str

    @property
    def name(self) -> str:
        return f"users/{self.id}"

    def caller(self, *permissions: str, reach: Reach = Reach.ALL) -> Caller:
        return make_caller(*permissions, reach=reach, user_id=self.id, department_path=self.path)


@dataclass
class Organisation:
    """A root, two theatres and a team below the first, with people in each."""

    root: str
    east: str
    east_team: str
    west: str
    boss: Person
    li: Person
    """In the eastern team."""
    wang: Person
    """In the eastern theatre itself."""
    zhao: Person
    """In the west."""


@pytest.fixture
def organisation(database: Database) -> Organisation:
    ids = [new_id() for _ in range(4)]
    root = f"{ids[0]}/"
    east, west = f"{root}{ids[1]}/", f"{root}{ids[2]}/"
    team = f"{east}{ids[3]}/"
    people = {}
    with database.write(make_caller()) as session:
        for username, path in {"boss": root, "li.wei": team, "wang.fang": east, "zhao.lei": west}.items():
            person = Person(new_id(), path, username)
            people[username] = person
            session.add(
                KnownUser(
                    id=person.id,
                    username=username,
                    display_name=username,
                    department_id=UUID(path.rstrip("/").rsplit("/", 1)[-1]),
                    department_path=path,
                    active=True,
                    version=1,
                )
            )
    return Organisation(
        root, east, team, west, people["boss"], people["li.wei"], people["wang.fang"], people["zhao.lei"]
    )


@pytest.fixture
def facts(database: Database) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """The events written so far: short name and data."""

    def read() -> list[tuple[str, dict[str, Any]]]:
        with database.engine.connect() as connection:
            rows = connection.execute(text("SELECT type, data FROM outbox ORDER BY position")).all()
        return [(row.type.rpartition(".")[2], row.data) for row in rows]

    return read


@pytest.fixture
def audited(database: Database) -> Callable[[], list[Any]]:
    """The audit entries written so far."""

    def read() -> list[Any]:
        with database.engine.connect() as connection:
            return list(connection.execute(text("SELECT * FROM audit_entry ORDER BY id")))

    return read
