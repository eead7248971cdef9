"""A call that writes and records nothing fails in tests, and is counted elsewhere."""

from contextlib import contextmanager

import pytest
from chassis import audit, metrics, written
from chassis.callers import set_caller
from chassis.calls import Calls
from chassis.copying import write_lines
from chassis.db import Database
from chassis.prepared import Prepared
from chassis.testing import make_caller
from sqlalchemy import text


@pytest.mark.parametrize(
    ("statement", "tables"),
    [
        ("SELECT a FROM thing WHERE b = 1 FOR UPDATE", set()),
        ("SELECT a FROM thing FOR NO KEY UPDATE OF thing SKIP LOCKED", set()),
        ("SELECT updated FROM thing", set()),
        ("INSERT INTO thing (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", {"thing"}),
        ('UPDATE "thing" SET a = 1', {"thing"}),
        ("UPDATE ONLY thing SET a = 1", {"thing"}),
        ("DELETE FROM thing USING part WHERE true", {"thing"}),
        (
            "\n  WITH gone AS (\n  DELETE FROM part RETURNING a)\n  INSERT INTO thing SELECT a FROM gone",
            {"part", "thing"},
        ),
        ("TRUNCATE TABLE ONLY thing, part", {"thing"}),
        ("truncate thing CASCADE", {"thing"}),
        ("merge into thing using part on true when matched then delete", {"thing"}),
    ],
)
def test_the_tables_that_a_statement_changes_are_known(statement, tables):
    assert written.changed_tables(statement) == tables


@pytest.fixture(scope="module")
def database(make_database):
    opened = Database("probe", make_database("probe"))
    with opened.engine.begin() as connection:
        connection.execute(text("CREATE TABLE thing (name text PRIMARY KEY)"))
    yield opened
    opened.dispose()


@pytest.fixture
def calls(database):
    set_caller(make_caller())
    yield Calls(database)
    set_caller(None)


@contextmanager
def strictness(*, strict):
    before = written.is_strict()
    written.be_strict(strict=strict)
    try:
        yield
    finally:
        written.be_strict(strict=before)


def insert(session, name):
    session.execute(text("INSERT INTO thing VALUES (:name) ON CONFLICT DO NOTHING"), {"name": name})


INSIDE = "WITH made AS (INSERT INTO thing VALUES ('unaudited') RETURNING name) SELECT name FROM made WHERE name = ''"
"""Changes a row and returns none."""


def names(database):
    with database.read(make_caller()) as session:
        return set(session.scalars(text("SELECT name FROM thing")))


def test_a_write_without_an_entry_fails_and_changes_nothing(database, calls):
    for write in (
        lambda session: insert(session, "unaudited"),
        lambda session: write_lines(session, "thing", ["name"], ["unaudited"]),
        lambda session: session.execute(text(INSIDE)),
        lambda session: Prepared(text(INSIDE)).write(session),
        lambda session: session.execute(text("TRUNCATE thing")),
    ):
        with (
            strictness(strict=True),
            pytest.raises(written.UnauditedWrite, match="thing"),
            calls.transaction() as session,
        ):
            write(session)
    assert "unaudited" not in names(database)


def test_a_write_with_an_entry_a_reason_or_no_effect_passes(database, calls):
    with strictness(strict=True):
        with calls.transaction() as session:
            insert(session, "audited")
            audit.record(session, "thing.create", "things/1", None, {"name": "audited"})
        with calls.transaction(unaudited="a test") as session:
            insert(session, "excused")
        with calls.transaction() as session:
            insert(session, "audited")
            session.execute(text("UPDATE thing SET name = 'x' WHERE false"))
            session.execute(text("SELECT * FROM thing FOR UPDATE"))
    assert {"audited", "excused"} <= names(database)


def test_elsewhere_it_is_counted_and_goes_through(database, calls, caplog):
    def count():
        return metrics.UNAUDITED_WRITES.labels("probe")._value.get()

    before = count()
    with strictness(strict=False), calls.transaction() as session:
        insert(session, "counted")
    assert count() == before + 1
    assert "counted" in names(database)
    [record] = [record for record in caplog.records if record.name == "chassis.calls"]
    assert record.tables == ["thing"]
