"""When a start may leave out the migration."""

import psycopg
import pytest
from local_suite import schema
from local_suite.layout import SERVICES


@pytest.fixture
def environment(make_database):
    return {f"DATABASE_URL_{name.upper()}": make_database(name) for name in SERVICES}


@pytest.fixture
def root(tmp_path):
    for name in ("services/one/main.py", "libs/two/db.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("x = 1\n")
    return tmp_path


def revise(url, revision):
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num text)")
        connection.execute("DELETE FROM alembic_version")
        connection.execute("INSERT INTO alembic_version VALUES (%s)", [revision])


def test_nothing_is_to_be_done_as_long_as_nothing_changes(environment, root):
    for url in environment.values():
        revise(url, "0007")
    kept = schema.state(environment, root)
    assert kept == schema.state(environment, root)
    assert kept["leads"] == "0007"


@pytest.mark.parametrize("change", ["code", "new file", "environment", "older database", "new database"])
def test_whatever_a_migration_depends_on_is_noticed(environment, root, change):
    leads = environment["DATABASE_URL_LEADS"]
    revise(leads, "0007")
    kept = schema.state(environment, root)
    match change:
        case "code":
            (root / "libs/two/db.py").write_text("x = 1000\n")
        case "new file":
            (root / "services/one/more.py").touch()
        case "environment":
            environment["DATA_KEYS"] = "other"
        case "older database":
            revise(leads, "0006")
        case "new database":
            with psycopg.connect(leads) as connection:
                connection.execute("DROP TABLE alembic_version")
    assert kept != schema.state(environment, root)
