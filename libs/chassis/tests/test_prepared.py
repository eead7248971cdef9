"""A prepared query reads what a session's own statement would, on the session's own terms."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from chassis.callers import service_caller
from chassis.db import Database
from chassis.prepared import Prepared
from sqlalchemy import ARRAY, Column, MetaData, Table, Text, Uuid, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

CALLER = service_caller("probe")
THING = Table(
    "thing",
    MetaData(),
    Column("id", Uuid, primary_key=True),
    Column("label", Text),
    Column("tags", ARRAY(Text)),
    Column("custom", JSONB),
    Column("made", TIMESTAMP(timezone=True)),
)
ONE = Prepared(select(THING).where(THING.c.id == bindparam("id")))
LABELLED = Prepared(select(THING.c.id).where(THING.c.label.like("50%%"), THING.c.label == bindparam("label")))


@pytest.fixture(scope="module")
def database(make_database) -> Iterator[Database]:
    made = Database("probe", make_database("probe"))
    with made.engine.begin() as connection:
        THING.metadata.create_all(connection)
    yield made
    made.dispose()


def add(session, label: str) -> dict:
    row = {
        "id": uuid4(),
        "label": label,
        "tags": ["a"],
        "custom": {"size": 1},
        "made": datetime(2026, 1, 2, tzinfo=UTC),
    }
    session.execute(THING.insert().values(**row))
    return row


def test_rows_carry_what_the_columns_hold(database):
    with database.write(CALLER) as session:
        row = add(session, "x")
    with database.read(CALLER) as session:
        found = ONE.first(session, id=row["id"])
    assert found._asdict() == row
    assert found.made.utcoffset().total_seconds() == 0


def test_constants_of_the_query_are_kept(database):
    with database.write(CALLER) as session:
        row = add(session, "50% off")
    with database.read(CALLER) as session:
        assert LABELLED.first(session, label="50% off").id == row["id"]
        assert LABELLED.first(session, label="x") is None


def test_a_transaction_sees_its_own_changes_and_nobody_else_does(database):
    with database.write(CALLER) as session:
        row = add(session, "mine")
        assert ONE.first(session, id=row["id"]).label == "mine"
        with database.read(CALLER) as other:
            assert ONE.first(other, id=row["id"]) is None


def test_connections_go_back_to_the_pool(database):
    with database.read(CALLER) as session:
        for _ in range(30):
            assert ONE.first(session, id=uuid4()) is None
        with pytest.raises(Exception, match="missing"):
            Prepared(select(text("missing"))).first(session)
    assert database.pool_engine.pool.checkedout() == 0
