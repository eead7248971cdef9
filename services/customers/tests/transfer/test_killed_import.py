"""A real job process, killed in the middle of an import."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from chassis.jobs import Supervisor
from chassis.settings import Settings
from chassis.testing import eventually
from crm.common.v1 import job_pb2

from .test_import import HEADING, a_row, counts

ROWS = 12_000
BAD = range(50, ROWS, 300)


@pytest.mark.feature("X2")
def test_a_killed_import_goes_on_and_no_row_is_lost_or_doubled(client, database, stored):
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    supervisor = Supervisor(Settings.read({**os.environ, "DATABASE_URL_CUSTOMERS": url}), database)
    rows = [a_row(number, 电话="1" if number in BAD else f"138{number:08}") for number in range(ROWS)]
    job = client.upload([HEADING, *rows])
    seen = []

    def processed_more():
        supervisor.check()
        now = client.get(job.name)
        more = now.processed_rows > (seen[-1] if seen else 0)
        if more:
            seen.append(now.processed_rows)
        return more

    try:
        for _ in range(2):
            eventually(processed_more, 60, interval=0.005)
            for pid in supervisor.process_ids:
                os.kill(pid, signal.SIGKILL)
        done = eventually(lambda: _ended(supervisor, client, job), 90)
    finally:
        supervisor.stop()
    assert 0 < seen[0] < seen[1] < ROWS
    assert counts(done) == (ROWS - len(BAD), 0, 0, len(BAD))
    assert (done.total_rows, done.processed_rows) == (ROWS, ROWS)
    names = [row.display_name for row in stored()]
    assert len(names) == len(set(names)) == ROWS - len(BAD)
    assert len(stored("contact", "id")) == len(names)
    assert len(stored("job_error", "row")) == len(BAD)
    audited = {row.resource for row in stored("audit_entry", "id") if row.action == "customer.import"}
    told = [one["customer"] for row in stored("outbox", "position") for one in row.data.get("customers", ())]
    assert len(told) == len(set(told)) == len(names)
    assert set(told) == audited


def _ended(supervisor, client, job):
    supervisor.check()
    now = client.get(job.name)
    return now if now.state == job_pb2.JOB_STATE_SUCCEEDED else None


def test_two_imports_of_one_file_at_once_bring_each_customer_in_once(client, stored):
    """Two processes race for the same rows; who comes second finds them there."""
    rows = [HEADING, *[a_row(number) for number in range(6_000)]]
    jobs = [client.upload(rows) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(client.finish, jobs))
    done = [eventually(lambda job=job: _done(client, job), 60) for job in done]
    assert sum(job.created_rows for job in done) == 6_000
    assert sum(job.unchanged_rows for job in done) == 6_000
    assert len(stored()) == 6_000


def _done(client, job):
    now = client.get(job.name)
    return now if now.state == job_pb2.JOB_STATE_SUCCEEDED else None
