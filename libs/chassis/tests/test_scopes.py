"""The SQL predicate of a scope selects just the rows that `Scope.reaches`."""

from uuid import UUID

import pytest
from chassis.callers import Scope
from chassis.scopes import in_given_scope, in_scope, scope_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Text, Uuid, column, create_engine, select, values

PATHS = ["/a/", "/a/b/", "/a/b/c/", "/ab/", "/a_/", "/a%/", "/a\\/", "/x/"]
USERS = [UUID(int=n) for n in range(3)]
ROWS = [(i, owner, path) for i, (owner, path) in enumerate((o, p) for o in [None, *USERS] for p in [None, *PATHS])]

scopes = st.builds(
    Scope,
    everything=st.booleans(),
    owner=st.sampled_from([None, *USERS]),
    departments=st.lists(st.sampled_from(PATHS), max_size=2).map(tuple),
    trees=st.lists(st.sampled_from(PATHS), max_size=2).map(tuple),
)


@pytest.fixture(scope="module")
def connection(postgres):
    engine = create_engine(postgres.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scope=scopes)
def test_sql_and_python_agree(connection, scope):
    rows = values(column("id"), column("owner", Uuid), column("path", Text), name="rows").data(ROWS)
    found = connection.scalars(select(rows.c.id).where(in_scope(scope, rows.c.owner, rows.c.path)))
    assert set(found) == {i for i, owner, path in ROWS if scope.reaches(owner, path)}
    if not scope.everything:
        statement = select(rows.c.id).where(in_given_scope(rows.c.owner, rows.c.path))
        found = connection.scalars(statement, scope_values(scope))
        assert set(found) == {i for i, owner, path in ROWS if scope.reaches(owner, path)}
