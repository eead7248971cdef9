"""What reads much does so on a standby, which shows all that was committed before, or else on the database itself."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from chassis import standby
from chassis.callers import service_caller
from chassis.db import Database
from chassis.jobs import JobRun
from chassis.prepared import Prepared
from chassis.service import Runtime
from chassis.settings import Settings
from chassis.testing import eventually
from chassis.testing.databases import create_database, on_database
from embedded import postgres, postgres_standby
from embedded.ports import free_port
from embedded.postgres import RunningPostgres
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

pytestmark = pytest.mark.slow

CALLER = service_caller("probe")
IN_RECOVERY = Prepared(text("SELECT pg_is_in_recovery() AS yes"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("replicated")


@pytest.fixture(scope="module")
def primary(folder) -> Iterator[RunningPostgres]:
    yield postgres.start(folder / "primary", safe=False, settings={"synchronous_commit": "on"})
    postgres.remove(folder / "primary")


@pytest.fixture(scope="module")
def url(primary) -> str:
    made = create_database(primary.admin_url, "probe", None)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("CREATE TABLE thing (number int)")
    return made


@pytest.fixture(scope="module")
def replica(folder, primary, url) -> Iterator[str]:
    """The URL of the database on the standby."""
    server = postgres_standby.start(folder / "standby", primary)
    yield on_database(server.admin_url, url.rpartition("/")[2])
    postgres.remove(folder / "standby")


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """What the standby is read for does not depend on how busy the machine is."""
    monkeypatch.setattr(standby, "PATIENCE_SECONDS", 60)


@pytest.fixture
def database_with(url, patience):
    made = []

    def make(standby_url: str) -> Database:
        made.append(Database("probe", url, standby_url=standby_url))
        return made[-1]

    yield make
    for each in made:
        each.dispose()


@pytest.fixture
def database(database_with, replica) -> Database:
    return database_with(replica)


def add(database: Database) -> int:
    """Commit one more, and return how many there are."""
    with database.write(CALLER) as session:
        session.execute(text("INSERT INTO thing VALUES (1)"))
        return session.scalar(text("SELECT count(*) FROM thing")) or 0


def seen(database: Database) -> tuple[int, bool]:
    """How many a reader sees, and whether on the standby."""
    with database.read_much(CALLER) as session:
        count = session.scalar(text("SELECT count(*) FROM thing")) or 0
        return count, IN_RECOVERY.all(session)[0].yes


def test_a_reader_sees_all_that_was_committed_before(database):
    for _ in range(50):
        assert (add(database), True) == seen(database)


def test_that_holds_where_commits_do_not_wait_for_the_disk(database_with, replica, url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
        database = database_with(replica)
        counted = [(add(database), seen(database)[0]) for _ in range(20)]
        connection.execute("ALTER ROLE CURRENT_USER RESET synchronous_commit")
    assert all(added == shown for added, shown in counted)


def test_nothing_can_be_written_there(database):
    with pytest.raises(DBAPIError, match="read-only transaction"), database.read_much(CALLER) as session:
        session.execute(text("INSERT INTO thing VALUES (1)"))


def test_one_that_lags_is_not_read_until_it_has_caught_up(database, replica, monkeypatch, caplog):
    monkeypatch.setattr(standby, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(standby, "REST_SECONDS", 600)
    with psycopg.connect(replica, autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
        paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'"
        eventually(lambda: connection.execute(paused).fetchone() == (True,))
        try:
            for _ in range(3):
                assert (add(database), False) == seen(database)
            assert caplog.text.count("the standby is not read for now") == 1, "it is left alone for a while"
        finally:
            connection.execute("SELECT pg_wal_replay_resume()")
    monkeypatch.setattr(standby, "REST_SECONDS", 0)
    database._standby._rests_until = 0.0  # the while is over
    eventually(lambda: (add(database), True) == seen(database))


def test_one_that_does_not_answer_is_passed_over(database_with):
    database = database_with(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    for _ in range(2):
        assert (add(database), False) == seen(database)


def test_what_is_no_standby_of_this_database_is_not_believed(database_with, url, postgres):
    for other in (url, postgres):  # itself, and a server that has nothing to do with it
        assert seen(database_with(other))[1] is False


def test_without_one_the_database_itself_is_read(database_with):
    database = database_with("")
    assert (add(database), False) == seen(database)


def test_an_attempt_that_failed_is_not_made_there_again(database):
    def on_standby(attempt: int) -> bool:
        runtime = Runtime(settings=Settings.read({}), database=database)
        nothing = {"options": {}, "input_file": None, "checkpoint": {}, "processed": 0}
        run = JobRun(runtime=runtime, job_id=uuid4(), kind="exportJobs", attempt=attempt, caller=CALLER, **nothing)
        with run.reading_much() as session:
            assert session.request_id == str(run.job_id)
            return bool(session.scalar(text("SELECT pg_is_in_recovery()")))

    assert [on_standby(attempt) for attempt in (1, 2)] == [True, False]


def test_no_connection_is_kept(database):
    for _ in range(10):
        seen(database)
        with pytest.raises(RuntimeError), database.read_much(CALLER):
            raise RuntimeError
    assert database._standby._engine.pool.checkedout() == 0
    assert database.pool_engine.pool.checkedout() == 0
    database.dispose()
