"""The suite as a whole: started, found running, damaged, repaired, stopped, deleted."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psutil
import pytest
from chassis.testing import eventually
from embedded import postgres, rabbitmq
from local_suite import running
from local_suite.graphql import GraphQLError
from local_suite.standing import how_it_stands
from local_suite.testing import running_suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    with running_suite(tmp_path_factory.mktemp("suite")) as suite:
        yield suite


@pytest.fixture
def crm(suite):
    """Runs a command on the suite and returns its exit code and what it printed."""

    def run(*arguments, **settings):
        environment = {**os.environ, "RUN_DIR": str(suite.folder.path), "SAMPLE": "0", "TEST_CLOCK": "1", **settings}
        environment.pop("CRM_SINCE", None)
        done = subprocess.run(
            [sys.executable, "-m", "local_suite", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def answers(suite):
    """Whether a call goes through. The gateway keeps off a server that was gone for a moment after it is back."""
    try:
        return suite.admin().run("{ me { username } }")["me"]["username"] == "admin"
    except GraphQLError as error:
        if error.reasons != ["SERVICE_UNAVAILABLE"]:
            raise
        return False


def pids(suite):
    return {name: each.process.pid for name, each in running.started(suite.folder).items()}


def test_everything_is_ready_when_it_is_up(suite, crm):
    code, said = crm("status")
    assert code == 0
    assert said.count("ready") == len(suite.processes)
    assert httpx.get(f"{suite.gateway_url}/readyz").status_code == 200
    assert suite.admin().run("{ me { username } }")["me"]["username"] == "admin"


def test_all_of_it_stays_on_this_machine_and_below_the_ephemeral_ports(suite):
    own = [each.process for each in running.started(suite.folder).values()]
    servers = [postgres.attach(suite.folder.postgres).process, rabbitmq.attach(suite.folder.rabbitmq).process]
    for reference in own + servers:
        for connection in psutil.Process(reference.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip in ("127.0.0.1", "::ffff:127.0.0.1", "::1")
                assert connection.laddr.port < 32768


def test_up_again_leaves_what_runs_alone(suite, crm):
    before = pids(suite)
    code, said = crm("up")
    assert code == 0
    assert "runs already" in said
    assert pids(suite) == before


def test_it_is_told_how_it_stands(suite):
    mark, now = str(uuid4()), datetime.now(UTC)
    with suite.database("leads") as held:
        held.execute("BEGIN")
        held.execute("SELECT 1")
        with suite.logs.joinpath("work.log").open("a") as log:
            complaint = {"level": "WARNING", "message": mark}
            log.writelines(
                f"{json.dumps(complaint | {'time': time.isoformat()})}\n" for time in (now, now - timedelta(1))
            )
        told = "\n".join(how_it_stands(suite, now))
    assert told.count(mark) == 1
    assert "leads: transaction" in told
    assert "Green thread" in told
    assert "does not run" not in told


@pytest.mark.parametrize("names", [("serve", "gateway"), ("postgres", "rabbitmq"), ("work",)])
def test_up_repairs_what_was_killed_and_nothing_else(suite, crm, names):
    before = pids(suite)
    for name in names:
        suite.kill(name)
    assert crm("status")[0] == 1
    code, said = crm("up")
    assert code == 0, said
    eventually(lambda: crm("status")[0] == 0)  # a process may notice only now that a server was gone
    after = pids(suite)
    assert {name for name in after if after[name] != before[name]} == set(names) & set(before)
    eventually(lambda: answers(suite))


def test_the_mode_can_be_changed_while_it_runs(suite, crm):
    code, said = crm("up", SPLIT="1")
    assert code == 0, said
    assert set(pids(suite)) == {
        "gateway",
        *(f"{name}-{kind}" for name in ("identity", "customers", "leads") for kind in ("serve", "work")),
    }
    eventually(lambda: answers(suite))
    assert crm("up")[0] == 0
    assert set(pids(suite)) == {"gateway", "serve", "work"}


def test_the_environment_of_a_process_is_told(suite, crm):
    code, said = crm("env", "serve")
    assert code == 0
    told = subprocess.run(
        ["sh", "-c", f"{said}\necho $GRPC_LISTEN; echo $IDENTITY_TARGET"], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == [suite.target("identity")] * 2
    assert crm("env", "nobody")[0] == 1


def test_a_trace_is_shown_as_a_tree(suite, crm):
    client = suite.admin()

    def asked():
        client.run("{ me { username } }")
        return client.last.headers["x-trace-id"]

    def shown():
        code, said = crm("trace", trace_id)
        return code == 0 and "gateway" in said and "serve" in said

    trace_id = asked()
    eventually(shown, timeout=120)
    # One of just now: timers leave traces of their own, and only the latest are listed.
    eventually(lambda: asked() in crm("trace")[1], timeout=120)


def test_logs_of_processes_are_printed(crm):
    assert "serving" in crm("logs", "serve")[1]
    assert crm("logs", "nobody")[0] == 1


def test_down_stops_everything_and_up_brings_back_what_was_there(suite, crm):
    document = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
    eventually(lambda: answers(suite))
    customer = suite.admin().run(document, input={"name": "长在"})["createCustomer"]["id"]
    assert crm("down") == (0, "")
    assert postgres.attach(suite.folder.postgres) is None
    assert rabbitmq.attach(suite.folder.rabbitmq) is None
    assert crm("down") == (0, "")
    assert crm("up")[0] == 0
    eventually(lambda: answers(suite))
    answer = suite.admin().run("query($id: ID!) { customer(id: $id) { name } }", id=customer)
    assert answer["customer"]["name"] == "长在"


def test_a_folder_of_something_else_is_not_deleted(tmp_path):
    (tmp_path / "thesis.txt").touch()
    environment = {**os.environ, "RUN_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "local_suite", "reset"], env=environment, check=False)
    assert done.returncode == 1
    assert (tmp_path / "thesis.txt").exists()


def test_reset_deletes_everything(suite, crm):
    data = postgres.attach(suite.folder.postgres).data
    started = [each.process for each in running.started(suite.folder).values()]
    assert crm("reset")[0] == 0
    assert not suite.folder.path.exists()
    assert not data.exists()
    assert not any(process.alive() for process in started)
