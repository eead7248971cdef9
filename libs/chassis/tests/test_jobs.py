"""Jobs: they are done by processes of their own, and survive the death of these at any moment."""

import io
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from chassis.callers import Reach
from chassis.clock import FixedClock
from chassis.db import Database
from chassis.errors import Conflict, NotFound
from chassis.jobs import (
    Cancelled,
    Job,
    JobRun,
    JobState,
    Supervisor,
    cancel_job,
    create_job,
    first_refused,
    get_job,
    has_file,
    purge,
    read_file,
    refused_rows,
    store_file,
    visible_jobs,
)
from chassis.jobs.store import FILES_KEPT, JOBS_KEPT, take
from chassis.service import Runtime
from chassis.settings import Settings
from chassis.testing import eventually, make_caller
from sqlalchemy import text

PROBES = Path(__file__).parent / "probes"
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
ME = make_caller()
SOMEBODY = make_caller(reach=Reach.SELF)


@pytest.fixture(scope="module")
def clock():
    return FixedClock(NOON)


@pytest.fixture(scope="module")
def module_database(make_database, clock):
    database = Database("jobprobe", make_database("jobprobe"), clock=clock)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE counted (number int, pid int)"))
    yield database
    database.dispose()


@pytest.fixture
def database(module_database, clock):
    clock.set(NOON)
    with module_database.engine.begin() as connection:
        connection.execute(text("TRUNCATE job, job_file, job_error, counted, outbox"))
    return module_database


@pytest.fixture
def settings(database):
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    path = os.pathsep.join([str(PROBES), os.environ.get("PYTHONPATH", "")])
    return Settings.read({**os.environ, "DATABASE_URL_JOBPROBE": url, "PYTHONPATH": path})


def lingering(seconds: int) -> list[str]:
    """The command of a process that stays for so long without a job."""
    return [sys.executable, "-m", "chassis.jobs.run", "jobprobe", f"{seconds}"]


@pytest.fixture
def supervisor(settings, database):
    supervisor = Supervisor(settings, database, command=lingering(0))
    yield supervisor
    supervisor.stop()


@pytest.fixture
def limit(tmp_path):
    """How far the job may count for now."""
    path = tmp_path / "limit"
    path.write_text("0")
    return path


@pytest.fixture
def start(database, limit):
    def create(to=5, *, caller=ME, **options):
        with database.write(caller) as session:
            return create_job(session, "countJobs", {"to": to, "limit": str(limit), **options}).id

    return create


def job_of(database, job_id) -> Job:
    with database.read(ME) as session:
        return get_job(session, "countJobs", job_id, "any")


def counted(database) -> list[int]:
    with database.read(ME) as session:
        return list(session.scalars(text("SELECT number FROM counted ORDER BY number")))


def supervised_until(supervisor, predicate, timeout=90.0):
    def check():
        supervisor.check()
        return predicate()

    return eventually(check, timeout)


def test_a_process_does_the_job(database, supervisor, start, limit):
    job_id = start(3)
    limit.write_text("3")
    supervised_until(supervisor, lambda: job_of(database, job_id).state == JobState.SUCCEEDED)
    job = job_of(database, job_id)
    assert (job.total, job.processed, job.counters, job.attempt) == (3, 3, {"counted": 3}, 1)
    assert job.end_time is not None
    assert counted(database) == [1, 2, 3]
    with database.read(ME) as session:
        rows = list(refused_rows(session, job_id))
        told = session.execute(text("SELECT data FROM outbox")).scalars().all()
    assert [(row.row, row.problems[0]["reason"], row.cells) for row in rows] == [
        (1, "ODD", ["1", "\\t"]),
        (3, "ODD", ["3", "\\t"]),
    ]
    assert [(one["kind"], one["params"]["state"]) for one in told] == [("JOB_ENDED", "SUCCEEDED")]


def test_a_process_stays_for_the_next_job(database, settings, start, limit):
    limit.write_text("9")
    supervisor, done = Supervisor(settings, database, command=lingering(600), most=1), set()
    try:
        for _ in range(3):
            job_id = start(2)
            supervised_until(supervisor, lambda key=job_id: job_of(database, key).state == JobState.SUCCEEDED)
            done.update(supervisor.process_ids)
    finally:
        supervisor.stop()
    assert len(done) == 1


def test_a_killed_process_loses_and_doubles_nothing(database, supervisor, start, limit):
    job_id = start(6)
    for step in (2, 4):
        limit.write_text(str(step))
        supervised_until(supervisor, lambda step=step: job_of(database, job_id).processed == step)
        for pid in supervisor.process_ids:
            os.kill(pid, signal.SIGKILL)
    limit.write_text("6")
    supervised_until(supervisor, lambda: job_of(database, job_id).state == JobState.SUCCEEDED)
    assert counted(database) == [1, 2, 3, 4, 5, 6]
    assert job_of(database, job_id).attempt == 3


def test_a_process_ends_with_the_one_that_started_it(database, settings, start, limit):
    job_id = start(2)
    limit.write_text("1")
    program = """
        import sys, time
        from chassis.db import Database
        from chassis.jobs import Supervisor
        from chassis.settings import Settings
        settings = Settings.read()
        supervisor = Supervisor(settings, Database("jobprobe", settings.database_url("jobprobe")))
        while True:
            supervisor.check()
            time.sleep(0.05)
    """
    work = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], env=dict(settings.environment))
    eventually(lambda: job_of(database, job_id).processed == 1, 90)
    # On a busy machine a second one may have been started for the job, because the first took long to get to it.
    children = psutil.Process(work.pid).children()
    assert children
    work.kill()
    work.wait()
    assert psutil.wait_procs(children, 90)[1] == []
    assert job_of(database, job_id).state == JobState.RUNNING
    limit.write_text("2")
    again = Supervisor(settings, database)
    supervised_until(again, lambda: job_of(database, job_id).state == JobState.SUCCEEDED)
    again.stop()
    assert counted(database) == [1, 2]


def test_a_job_under_way_is_left_to_its_process(database, settings, supervisor, start, limit):
    job_id = start(2)
    limit.write_text("1")
    supervised_until(supervisor, lambda: job_of(database, job_id).processed == 1)
    other = Supervisor(settings, database)
    for _ in range(3):
        other.check()
    assert other.process_ids == []
    assert job_of(database, job_id).attempt == 1
    limit.write_text("2")
    supervised_until(supervisor, lambda: job_of(database, job_id).state == JobState.SUCCEEDED)


def test_nothing_is_committed_after_a_job_was_cancelled(database, supervisor, start, limit):
    job_id = start(5)
    limit.write_text("2")
    supervised_until(supervisor, lambda: job_of(database, job_id).processed == 2)
    with database.write(ME) as session:
        cancel_job(session, "countJobs", job_id, "any")
    limit.write_text("5")
    supervised_until(supervisor, lambda: not supervisor.process_ids)
    assert counted(database) == [1, 2]
    assert job_of(database, job_id).state == JobState.CANCELLED
    with database.write(ME) as session, pytest.raises(Conflict) as caught:
        cancel_job(session, "countJobs", job_id, "any")
    assert caught.value.reason == "JOB_ENDED"


def test_a_job_that_cannot_be_done_says_why(database, supervisor, start):
    job_id = start(refuse=True)
    supervised_until(supervisor, lambda: job_of(database, job_id).state == JobState.FAILED)
    job = job_of(database, job_id)
    assert (job.failure_reason, job.failure_message) == ("CANNOT_COUNT", "there is nothing to count")


def test_a_job_that_keeps_killing_its_process_is_given_up(database, supervisor, start):
    job_id = start(die=True)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE job SET stalls = 4, taken_time = now() - interval '1 hour'"))

    def given_up():
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE job SET taken_time = now() - interval '1 hour'"))
        return job_of(database, job_id).state == JobState.FAILED

    supervised_until(supervisor, given_up)
    assert job_of(database, job_id).failure_reason == "JOB_CRASHED"


def test_an_attempt_that_was_overtaken_writes_nothing_more(database, settings, start):
    job_id = start()
    runtime = Runtime(settings, database)
    with database.write(ME) as session:
        first = take(session, job_id)
    run = JobRun(runtime, job_id, "countJobs", first.attempt, ME, first.options, None, {}, 0)
    with database.write(ME) as session:
        take(session, job_id)

    def go_on():
        with run.transaction() as session:
            session.execute(text("INSERT INTO counted VALUES (1, 1)"))
            run.advance(session, processed=1, counters={}, checkpoint={})

    with pytest.raises(Cancelled):
        go_on()
    assert counted(database) == []
    assert run.processed == 0


def test_jobs_are_seen_by_their_creators_and_by_those_who_reach_everything(database, start):
    mine, theirs = start(caller=ME), start(caller=SOMEBODY)
    with database.read(SOMEBODY) as session:
        assert [job.id for job in session.scalars(visible_jobs(session, "countJobs", "any"))] == [theirs]
        for call in (get_job, cancel_job):
            with pytest.raises(NotFound):
                call(session, "countJobs", mine, "any")
    with database.read(ME) as session:
        assert {job.id for job in session.scalars(visible_jobs(session, "countJobs", "any"))} == {mine, theirs}
        assert list(session.scalars(visible_jobs(session, "otherJobs", "any"))) == []


def test_files_come_back_as_they_were(database):
    content = os.urandom(2_500_000)
    with database.write(ME) as session:
        file_id = store_file(session, io.BytesIO(content))
    with database.read(ME) as session:
        assert has_file(session, file_id)
        assert b"".join(read_file(session, file_id)) == content
        with pytest.raises(NotFound):
            list(read_file(session, None))


def test_old_files_go_first_and_old_jobs_later(database, clock):
    with database.write(ME) as session:
        shared, lone = store_file(session, io.BytesIO(b"x")), store_file(session, io.BytesIO(b"y"))
        old = [create_job(session, "countJobs", {}, input_file=file_id) for file_id in (shared, lone)]
        for job in old:
            job.state, job.end_time = JobState.SUCCEEDED, NOON
    clock.advance(FILES_KEPT + timedelta(hours=1))
    with database.write(ME) as session:
        create_job(session, "countJobs", {}, input_file=shared)
        purge(session)
        assert has_file(session, shared)
        assert not has_file(session, lone)
    clock.advance(JOBS_KEPT)
    with database.write(ME) as session:
        purge(session)
        assert [job.state for job in session.scalars(visible_jobs(session, "countJobs", "any"))] == ["QUEUED"]


def test_the_first_refused_rows_of_several_jobs(database, supervisor, start, limit):
    limit.write_text("9")
    ids = [start(9), start(1), start(0)]
    supervised_until(supervisor, lambda: all(job_of(database, key).state == JobState.SUCCEEDED for key in ids))
    with database.read(ME) as session:
        first = first_refused(session, ids, 2)
        assert first_refused(session, [], 2) == {}
    assert [[row.row for row in first[key]] for key in ids] == [[1, 3], [1], []]
