"""The suite behind a real PgBouncer in transaction mode, with a standby for exports: people notice neither."""

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from chassis.cli import STATEMENT_SECONDS
from chassis.testing import eventually
from embedded import pgbouncer, postgres, postgres_standby
from embedded.debian import Unobtainable
from local_suite.graphql import GraphQLClient
from local_suite.layout import SERVICES
from local_suite.organisations import Organisation
from local_suite.testing import Suite, running_suite

SESSIONS = 2
"""Of each database behind the pooler: fewer than there are callers at a time."""
CALLERS, ROUNDS = 6, 8
"""Each statement is run more often than the driver waits for before it would prepare it."""
SET_BY_POOLER = {"application_name", "client_encoding", "DateStyle", "IntervalStyle", "standard_conforming_strings"}
SET_BY_POOLER |= {"TimeZone", "search_path"}
"""What a pooler itself keeps as each of its clients wants it."""

CREATE = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { id } }"
UPDATE = "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { id remark } }"
GET = "query($id: ID!) { customer(id: $id) { id remark } }"
LOG = "mutation($input: LogFollowUpInput!) { logFollowUp(input: $input) { id } }"
TIMELINE = "query($id: ID!) { timeline(customer: $id, first: 50) { nodes { kind resource } } }"
IMPORT = "mutation($file: Upload!) { importCustomers(file: $file) { id } }"
IMPORTED = "subscription($id: ID!) { importProgress(id: $id) { state createdRows failedRows } }"
EXPORT = "mutation($input: ExportCustomersInput!) { exportCustomers(input: $input) { id } }"
EXPORTED = "query($id: ID!) { exportJob(id: $id) { state failureReason fileUrl } }"
POOL = "mutation($input: CreatePoolInput!) { createPool(input: $input) { id } }"
RELEASE = "mutation($input: ReturnCustomerInput!) { releaseCustomer(input: $input) { pool } }"
CLAIM = "mutation($input: ClaimCustomersInput!) { claimCustomers(input: $input) { reason } }"

HELD = """
  SELECT (SELECT count(*) FROM pg_prepared_statements) AS statements,
    (SELECT count(*) FROM pg_listening_channels()) AS channels,
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') AS locks,
    (SELECT count(*) FROM pg_class WHERE relpersistence = 't') AS temporary,
    (SELECT coalesce(array_agg(name), '{}') FROM pg_settings WHERE source = 'session') AS settings
"""
"""What the session of a transaction holds beyond it."""


@dataclass(frozen=True)
class Servers:
    """How the databases are reached, by service."""

    direct: dict[str, str]
    pooled: dict[str, str]
    standby: str
    """Of the customers' database."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        stack.callback(postgres.remove, folder / "primary")
        primary = postgres.start(folder / "primary", safe=False, settings={"synchronous_commit": "on"})
        direct = {name: postgres.create_service_database(primary, name, uuid4().hex) for name in SERVICES}
        try:
            pooler = pgbouncer.start(direct, pool_size=SESSIONS)
        except Unobtainable as reason:
            pytest.skip(f"there is no PgBouncer here: {reason}")
        stack.callback(pooler.stop)
        stack.callback(postgres.remove, folder / "standby")
        standby = postgres_standby.start(folder / "standby", primary)
        of_customers = direct["customers"].replace(f":{primary.port}/", f":{standby.port}/")
        yield Servers(direct, dict(pooler.urls), of_customers)


@pytest.fixture(scope="module")
def suite(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite of its own, in place of the one that tests share."""
    told = {f"DATABASE_URL_{name.upper()}": url for name, url in servers.pooled.items()}
    told |= {f"DATABASE_DIRECT_URL_{name.upper()}": url for name, url in servers.direct.items()}
    told["DATABASE_READ_URL_CUSTOMERS"] = servers.standby
    with pytest.MonkeyPatch.context() as patch:
        for name, url in told.items():
            patch.setenv(name, url)
        running = running_suite(tmp_path_factory.mktemp("pooled"), test_clock=False)
    with running:
        yield running


@pytest.fixture(scope="module")
def admin(suite: Suite) -> GraphQLClient:
    return suite.admin()


def work(client: GraphQLClient, mark: str) -> list[str]:
    """What a caller does all day: make, change, read, and log what was talked about. Returns the customers."""
    customers = []
    for number in range(ROUNDS):
        customer = client.run(CREATE, input={"name": f"池化{mark}{number}{uuid4().hex[:6]}"})["createCustomer"]["id"]
        client.run(UPDATE, input={"id": customer, "remark": f"第{number}轮"})
        assert client.run(GET, id=customer)["customer"]["remark"] == f"第{number}轮"
        client.run(LOG, input={"customerId": customer, "method": "CALL", "content": "约好下周二"})
        customers.append(customer)
    return customers


def in_timeline(client: GraphQLClient, customer: str) -> bool:
    entries = client.run(TIMELINE, id=customer)["timeline"]["nodes"]
    return [entry["kind"] for entry in entries].count("FOLLOW_UP_LOGGED") == 1


def import_customers(client: GraphQLClient, mark: str, count: int) -> dict:
    text = io.StringIO()
    csv.writer(text).writerows([["客户名称"], *([f"导入{mark}{number}"] for number in range(count))])
    answer = client.upload(IMPORT, "variables.file", ("客户.csv", text.getvalue().encode()), file=None)
    with client.subscribe(IMPORTED, id=answer["importCustomers"]["id"]) as progress:
        return [each["importProgress"] for each in progress][-1]


def claim_from_pool(admin: GraphQLClient) -> list[str | None]:
    """Return a customer to a pool, and claim it from there by somebody else. Returns the outcomes of two claims."""
    organisation = Organisation(admin)
    department = organisation.department("池化")
    role = organisation.role("SELF", "customer.read", "pool.read", "pool.claim")
    _, person = organisation.user(department, role)
    customer = admin.run(CREATE, input={"name": f"公海{uuid4().hex}"})["createCustomer"]["id"]
    rules = {"holdLimit": 3, "dailyClaimLimit": 3, "formerOwnerWaitDays": 0}
    values = {"name": f"公海{uuid4().hex[:6]}", "departmentIds": [department], "memberIds": [department]}

    def made() -> str | None:
        answer = admin.answer(POOL, input={**values, "rules": rules})  # refused until the department is known
        return None if answer.get("errors") else answer["data"]["createPool"]["id"]

    pool = eventually(made, timeout=120)
    admin.run(RELEASE, input={"id": customer, "poolId": pool, "reason": "NO_BUDGET"})
    return [person.run(CLAIM, input={"ids": [customer]})["claimCustomers"][0]["reason"] for _ in range(2)]


def export(client: GraphQLClient, search: str) -> list[str]:
    """The names in an exported file."""
    job = client.run(EXPORT, input={"search": search, "fields": ["name"]})["exportCustomers"]["id"]

    def ended() -> dict | None:
        found = client.run(EXPORTED, id=job)["exportJob"]
        return found if found["state"] not in ("QUEUED", "RUNNING") else None

    done = eventually(ended, timeout=120)
    assert done["state"] == "SUCCEEDED", done
    file = client.http.get(done["fileUrl"])
    return [row[0] for row in csv.reader(io.StringIO(file.content.decode("utf-8-sig")))][1:]


def held(url: str) -> list[dict]:
    """What all sessions of a pool hold."""
    with ExitStack() as stack:
        found = []
        for _ in range(SESSIONS):  # each in a transaction of its own, so that each has a session of its own
            connection = stack.enter_context(psycopg.connect(url, prepare_threshold=None))
            row = connection.execute(f"SELECT pg_backend_pid() AS pid, held.* FROM ({HELD}) held")
            found.append(
                dict(zip([column.name for column in row.description or ()], row.fetchone() or (), strict=True))
            )
        assert len({each["pid"] for each in found}) == SESSIONS
        return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_calls_events_and_jobs_work_through_a_pooler_and_leave_nothing_in_its_sessions(suite, admin, servers):
    mark = uuid4().hex[:6]
    with ThreadPoolExecutor(CALLERS) as pool:
        clients = [GraphQLClient(suite.gateway_url, admin.token) for _ in range(CALLERS)]
        done = list(pool.map(lambda number: work(clients[number], f"{mark}{number}"), range(CALLERS)))
    for customers in done:
        eventually(lambda customers=customers: in_timeline(admin, customers[-1]), timeout=120)
    assert import_customers(admin, mark, 30) == {"state": "SUCCEEDED", "createdRows": 30, "failedRows": 0}
    assert claim_from_pool(admin) == [None, "NOT_IN_POOL"]
    assert sorted(export(admin, f"导入{mark}")) == sorted(f"导入{mark}{number}" for number in range(30))
    for name in SERVICES:
        for session in held(servers.pooled[name]):
            assert set(session.pop("settings")) <= SET_BY_POOLER
            session.pop("pid")
            assert set(session.values()) == {0}, session
    assert not [path.name for path in Path(suite.logs).glob("*.log") if "prepared statement" in path.read_text()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_relay_listens_past_the_pooler_in_a_session_of_its_own(suite, servers):
    query = """
      SELECT count(*) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = %s
        AND EXISTS (SELECT FROM pg_locks WHERE pg_locks.pid = pg_stat_activity.pid AND locktype = 'advisory')
    """
    for name in SERVICES:
        with psycopg.connect(servers.direct[name], autocommit=True) as connection:
            eventually(lambda: connection.execute(query, [f"{name} relay"]).fetchone() == (1,))  # noqa: B023


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_migration_gives_sessions_the_limits_that_they_cannot_ask_for_through_a_pooler(suite, servers):
    for name in SERVICES:
        with psycopg.connect(servers.direct[name], autocommit=True) as connection:
            assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
            assert connection.execute("SHOW statement_timeout").fetchone() == (f"{STATEMENT_SECONDS}s",)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_export_reads_the_standby_and_what_was_committed_just_before(suite, admin, servers):
    def scans() -> int:
        with psycopg.connect(servers.standby, autocommit=True) as connection:
            query = "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'customer'"
            return (connection.execute(query).fetchone() or (0,))[0]

    before = scans()

    def read_there() -> bool:
        name = f"刚刚{uuid4().hex}"
        admin.run(CREATE, input={"name": name})
        assert export(admin, name) == [name]
        return scans() > before

    # One that does not catch up in time, as on a machine that stands still, is left alone for a while. And sessions
    # tell what they have read some time later.
    eventually(read_there, timeout=180, interval=1)
