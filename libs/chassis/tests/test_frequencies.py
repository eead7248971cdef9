"""Which values are frequent is what PostgreSQL found when it analysed a table."""

import pytest
from chassis import frequencies
from chassis.db import Database
from chassis.frequencies import FrequentValues
from chassis.testing import make_caller
from sqlalchemy import text


@pytest.fixture
def database(make_database):
    database = Database("things", make_database("frequencies"))
    with database.write(make_caller()) as session:
        session.execute(text("CREATE TABLE thing (id integer, grams integer[])"))
        rows = "SELECT n, CASE WHEN n % 10 = 0 THEN ARRAY[7, -3, n + 1000] ELSE ARRAY[7, n + 1000] END"
        session.execute(text(f"INSERT INTO thing {rows} FROM generate_series(1, 1000) AS n"))
    yield database
    database.dispose()


def test_frequent_are_the_values_of_many_rows_once_the_table_was_analysed(database, monkeypatch):
    monkeypatch.setattr(frequencies, "UNKNOWN_SECONDS", 0)
    values = FrequentValues("thing", "grams")
    with database.read(make_caller()) as session:
        assert values.of(session) == frozenset()
        session.execute(text("ANALYZE thing"))
        assert values.of(session) == {7, -3}


def test_what_was_read_counts_for_a_while(database):
    values = FrequentValues("thing", "grams")
    with database.read(make_caller()) as session:
        session.execute(text("ANALYZE thing"))
        assert values.of(session) == {7, -3}
        session.execute(text("DROP TABLE thing"))
        assert values.of(session) == {7, -3}
        assert FrequentValues("thing", "grams").of(session) == frozenset()
