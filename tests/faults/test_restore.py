"""All databases are lost and restored from the backup: who signed in can, the log is whole, and events go on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from chassis.testing import eventually
from embedded import postgres
from local_suite.graphql import GraphQLClient, GraphQLError
from local_suite.layout import ROOT, SERVICES
from local_suite.testing import Suite, running_suite
from psycopg import sql

T = TypeVar("T")
CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
VERIFY = """query($after: String) { verifyAudit(after: $after) { complete endCursor
  services { service entryCount broken { kind } } } }"""


def variable(service: str) -> str:
    return f"DATABASE_URL_{service.upper()}"


def run(suite: Suite, *command: str | Path) -> str:
    """Run a command with the suite's settings and PostgreSQL's programs."""
    server = postgres.attach(suite.folder.postgres)
    assert server is not None
    programs = Path(server.process.find().exe()).parent
    told = {**os.environ, **suite.environment, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def destroy_databases(suite: Suite) -> None:
    server = postgres.attach(suite.folder.postgres)
    assert server is not None
    for service in SERVICES:
        with psycopg.connect(server.admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(service)))
        password = unquote(urlsplit(suite.environment[variable(service)]).password or "")
        postgres.create_service_database(server, service, password)


def known_to_leads(suite: Suite, customer: str) -> bool:
    with suite.database("leads") as connection:
        query = "SELECT 1 FROM known_customer WHERE id = %s"
        return connection.execute(query, [customer.removeprefix("customers/")]).fetchone() is not None


def is_ready(suite: Suite) -> bool:
    try:
        return httpx.get(f"{suite.gateway_url}/readyz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def answered(ask: Callable[[], T]) -> T:
    """What services answer of which some have just been started."""

    def asked() -> list[T]:
        try:
            return [ask()]
        except GraphQLError as error:
            if {each["extensions"]["code"] for each in error.errors} - {"UNAVAILABLE", "DEADLINE_EXCEEDED"}:
                raise
            return []

    return eventually(asked, timeout=90)[0]


def create_customer(admin: GraphQLClient) -> str:
    return str(admin.run(CREATE, input={"name": f"备份{uuid4().hex[:8]}"})["createCustomer"]["id"])


def verify(admin: GraphQLClient) -> dict[str, int]:
    """How many entries the logs of the services hold, all of them whole."""
    after, counted = None, {}
    while True:
        answer = admin.run(VERIFY, after=after)["verifyAudit"]
        for each in answer["services"]:
            assert each["broken"] is None, each
            counted[each["service"]] = each["entryCount"]
        if answer["complete"]:
            return counted
        after = answer["endCursor"]


@pytest.fixture
def suite(tmp_path):
    """A suite of its own: what fails here would be the end of any other test."""
    with running_suite(tmp_path / "suite") as suite:
        yield suite


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_was_backed_up_is_there_again_and_works(suite, tmp_path):
    admin = suite.admin()
    before = create_customer(admin)
    eventually(lambda: known_to_leads(suite, before))
    entries = verify(admin)
    run(suite, ROOT / "deploy/backup/backup.sh", tmp_path / "backup")
    lost = create_customer(admin)
    eventually(lambda: known_to_leads(suite, lost))

    processes = [name for name in suite.processes if name not in ("postgres", "rabbitmq")]
    for name in reversed(processes):
        suite.halt(name)
    destroy_databases(suite)
    run(suite, ROOT / "deploy/backup/restore.sh", tmp_path / "backup")
    for name in processes:
        suite.start(name, wait=False)
    eventually(lambda: is_ready(suite), timeout=180)

    restored = answered(suite.admin)
    counted = answered(lambda: verify(restored))
    assert {service for service in SERVICES if counted[service] < entries[service]} == set()
    assert entries["customers"] > 0
    assert known_to_leads(suite, before)
    assert not known_to_leads(suite, lost)
    for service in SERVICES:
        run(suite, Path(sys.executable).parent / service, "state", "request")
    after = answered(lambda: create_customer(restored))
    eventually(lambda: known_to_leads(suite, after), timeout=120)
