"""One action on many customers, through gRPC and by real job processes."""

import csv
import io
import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import grpc
import pytest
from chassis.callers import Reach
from chassis.db import Database
from chassis.encryption import new_key
from chassis.jobs import Supervisor
from chassis.jobs.run import run_next
from chassis.settings import Settings
from chassis.testing import eventually
from chassis.testing.edge import Edge, running
from crm.common.v1 import job_pb2
from crm.common.v1.filter_pb2 import Condition, Filter, FilterValue
from crm.customers.v1 import customer_batch_service_pb2 as pb
from crm.customers.v1 import customer_pb2
from crm.customers.v1.customer_batch_service_pb2_grpc import CustomerBatchServiceStub
from customers.main import SERVICE
from customers.usecases.create_customer import CustomerDraft, create_customer
from sqlalchemy import text

PERMISSIONS = ("customer.transfer", "customer.update", "customer.delete", "customer.release", "customer.read")
EAST = Filter(
    condition=Condition(field="display_name", operator="OPERATOR_CONTAINS", values=[FilterValue(text="华东")])
)
MANY = 4_000


@pytest.fixture(scope="module")
def edge(module_database: Database) -> Iterator[Edge]:
    url = module_database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with running([SERVICE], {"customers": url}, environment={"DATA_KEYS": f"test:{new_key()}"}) as edge:
        yield edge


class Client:
    """Somebody who starts batches and has them done."""

    def __init__(self, edge: Edge, person, grants) -> None:
        self.edge, self.stub = edge, CustomerBatchServiceStub(edge.channel)
        self.metadata = edge.metadata_for(person.id, person.path, grants)

    def start(self, action: str, **request):
        value = pb.CustomerBatchAction.Value(f"CUSTOMER_BATCH_ACTION_{action}")
        request = pb.StartCustomerBatchRequest(action=value, request_id=str(uuid4()), **request)
        return self.stub.StartCustomerBatch(request, metadata=self.metadata)

    def get(self, name: str):
        return self.stub.GetCustomerBatch(pb.GetCustomerBatchRequest(name=name), metadata=self.metadata)

    def do(self, action: str, **request):
        name = self.start(action, **request).name
        while run_next(SERVICE, self.edge.runtimes["customers"]):
            pass
        return self.get(name)

    def errors(self, name: str) -> list[dict[str, str]]:
        request = pb.DownloadCustomerBatchErrorsRequest(name=name)
        chunks = self.stub.DownloadCustomerBatchErrors(request, metadata=self.metadata)
        content = b"".join(chunk.data for chunk in chunks).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(content, newline="")))


def counts(batch) -> tuple[int, int, int]:
    assert batch.state == job_pb2.JOB_STATE_SUCCEEDED, batch
    return batch.changed_customers, batch.unchanged_customers, batch.refused_customers


@pytest.fixture
def client_of(edge: Edge, database: Database):
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE job, job_file, job_error, idempotency_claim CASCADE"))
    return lambda person, reach=Reach.ALL: Client(edge, person, dict.fromkeys(PERMISSIONS, reach))


@pytest.fixture
def crowd(database, organisation):
    """Six customers of the east, three of li's and three of wang's, and one of the west."""
    people = [organisation.li, organisation.wang] * 3
    with database.write(organisation.boss.caller()) as session:
        for number, person in enumerate(people):
            draft = CustomerDraft(
                {"display_name": f"华东{number}公司", "tags": ["老"] if number else []}, {}, person.id
            )
            create_customer(session, draft)
        create_customer(session, CustomerDraft({"display_name": "华西公司"}, {}, organisation.zhao.id))


def rows(database, query: str = "SELECT * FROM customer WHERE display_name LIKE '华东%' ORDER BY display_name"):
    with database.engine.connect() as connection:
        return list(connection.execute(text(query)))


def test_tags_are_added_and_taken_away_once(client_of, crowd, database, organisation, facts, audited):
    boss = client_of(organisation.boss)
    assert counts(boss.do("ADD_TAGS", filter=EAST, tags=["老", "新"])) == (6, 0, 0)
    assert counts(boss.do("ADD_TAGS", filter=EAST, tags=["新"])) == (0, 6, 0)
    assert {frozenset(row.tags) for row in rows(database)} == {frozenset({"新", "老"})}
    assert sum(entry.action == "customer.update" for entry in audited()) == 6
    assert sum(name == "CustomerUpdated" for name, _ in facts()) == 6
    assert counts(boss.do("REMOVE_TAGS", filter=EAST, tags=["老"])) == (6, 0, 0)
    assert rows(database, "SELECT tags FROM customer WHERE display_name = '华西公司'") == [([],)]


def test_rows_out_of_reach_are_refused_one_by_one(client_of, crowd, database, organisation):
    li = client_of(organisation.li, Reach.SELF)
    names = [f"customers/{row.id}" for row in rows(database)]
    batch = li.do("TRANSFER", names=[*names, f"customers/{uuid4()}"], owner=organisation.zhao.name, note="换区")
    assert counts(batch) == (3, 0, 4)
    assert [one["reason"] for one in li.errors(batch.name)] == ["CUSTOMER_NOT_FOUND"] * 4
    boss = client_of(organisation.boss)
    assert counts(boss.do("TRANSFER", filter=EAST, owner=organisation.zhao.name)) == (3, 3, 0)
    changes = rows(database, "SELECT count(*), count(DISTINCT customer_id) FROM holding_change")
    assert changes == [(6, 6)]


def test_fields_are_set_and_what_identifies_is_not(client_of, crowd, database, organisation):
    boss = client_of(organisation.boss)
    values = customer_pb2.Customer(level="A", industry="制造业")
    assert counts(boss.do("UPDATE_FIELDS", filter=EAST, customer=values)) == (6, 0, 0)
    assert {(row.level, row.industry) for row in rows(database)} == {("A", "制造业")}
    for values, reason in (
        (customer_pb2.Customer(display_name="同名"), "NOT_FOR_MANY"),
        (customer_pb2.Customer(level="Z"), "INVALID_LEVEL"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            boss.start("UPDATE_FIELDS", filter=EAST, customer=values)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert reason in str(caught.value.trailing_metadata())


def test_deleted_ones_are_gone_with_their_ledger_closed(client_of, crowd, database, organisation):
    boss = client_of(organisation.boss)
    assert counts(boss.do("DELETE", filter=EAST)) == (6, 0, 0)
    assert rows(database) == []
    with pytest.raises(grpc.RpcError) as caught:
        boss.start("DELETE")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_an_action_needs_its_permission(edge, database, crowd, organisation):
    reader = Client(edge, organisation.li, {"customer.read": Reach.ALL})
    for action, values in (("DELETE", {}), ("ADD_TAGS", {"tags": ["新"]}), ("ASSIGN", {"owner": organisation.li.name})):
        with pytest.raises(grpc.RpcError) as caught:
            reader.start(action, filter=EAST, **values)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_killed_batch_goes_on_and_does_everything_once(client_of, database, organisation):
    with database.engine.begin() as connection:
        connection.execute(
            text(
                """INSERT INTO customer (id, kind, display_name, name_key, status, phones, emails, tags, custom,
                     search_text, grams, creator, version, create_time, update_time)
                   SELECT gen_random_uuid(), 'COMPANY', '华东' || n, 'east' || n, 'POTENTIAL', '{}', '{}', '{}', '{}',
                     '华东' || n, '{}', 'x', 1, now(), now() FROM generate_series(1, :many) n"""
            ),
            {"many": MANY},
        )
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    supervisor = Supervisor(Settings.read({**os.environ, "DATABASE_URL_CUSTOMERS": url}), database)
    client, seen = client_of(organisation.boss), []
    batch = client.start("ADD_TAGS", filter=EAST, tags=["新"])
    assert batch.total_customers == MANY

    def processed_more():
        supervisor.check()
        now = client.get(batch.name).processed_customers
        if now > (seen[-1] if seen else 0):
            seen.append(now)
            return True
        return False

    def ended():
        supervisor.check()
        now = client.get(batch.name)
        return now if now.state == job_pb2.JOB_STATE_SUCCEEDED else None

    try:
        for _ in range(2):
            eventually(processed_more, 60, interval=0.005)
            for pid in supervisor.process_ids:
                os.kill(pid, signal.SIGKILL)
        done = eventually(ended, 90)
    finally:
        supervisor.stop()
    assert 0 < seen[0] < seen[1] < MANY
    assert counts(done) == (MANY, 0, 0)
    noted = "SELECT count(*), count(DISTINCT resource) FROM audit_entry WHERE action = 'customer.update'"
    assert rows(database, noted) == [(MANY, MANY)]
    assert rows(database, "SELECT DISTINCT version, tags FROM customer") == [(2, ["新"])]
