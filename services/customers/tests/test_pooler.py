"""The service behind a real PgBouncer in transaction mode: several callers over fewer sessions than they are."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from chassis import cli, connecting
from chassis.callers import Reach
from chassis.encryption import new_key
from chassis.names import new_id
from chassis.testing.edge import Edge, running
from crm.customers.v1 import (
    contact_pb2,
    contact_service_pb2,
    contact_service_pb2_grpc,
    customer_pb2,
    customer_service_pb2,
    customer_service_pb2_grpc,
)
from customers.main import SERVICE
from embedded import pgbouncer
from embedded.debian import Unobtainable
from google.protobuf.field_mask_pb2 import FieldMask

CALLERS, ROUNDS, SESSIONS = 6, 8, 2
"""Each statement is run more often than the driver waits for before it would prepare it."""
GRANTS = {
    f"{entity}.{action}": Reach.ALL for entity in ("customer", "contact") for action in ("read", "create", "update")
}


@pytest.fixture(scope="module")
def direct(make_database) -> str:
    return make_database("customers", SERVICE.migrations)


@pytest.fixture(scope="module")
def pooled(direct: str) -> Iterator[str]:
    try:
        pooler = pgbouncer.start({"customers": direct}, pool_size=SESSIONS)
    except Unobtainable as reason:
        pytest.skip(f"there is no PgBouncer here: {reason}")
    connecting.set_defaults(direct, cli.STATEMENT_SECONDS)  # as `migrate` does
    yield pooler.urls["customers"]
    pooler.stop()


@pytest.fixture(scope="module")
def edge(direct: str, pooled: str) -> Iterator[Edge]:
    environment = {"DATA_KEYS": f"test:{new_key()}", "DATABASE_DIRECT_URL_CUSTOMERS": direct}
    with running([SERVICE], {"customers": pooled}, environment=environment) as running_edge:
        yield running_edge


def work(edge: Edge, number: int) -> int:
    """What a caller does all day: make, change, read, list and search. Returns how many customers are found."""
    metadata = edge.metadata_for(new_id(), f"{new_id()}/", GRANTS)
    customers = customer_service_pb2_grpc.CustomerServiceStub(edge.channel)
    contacts = contact_service_pb2_grpc.ContactServiceStub(edge.channel)
    mark = f"{uuid4().hex[:10]}"
    for each in range(ROUNDS):
        draft = customer_pb2.Customer(display_name=f"池{mark}第{each}家")
        create = customer_service_pb2.CreateCustomerRequest(customer=draft, request_id=str(uuid4()))
        made = customers.CreateCustomer(create, metadata=metadata, timeout=20)
        contact = contact_pb2.Contact(customer=made.name, display_name=f"联系{each}")
        contacts.CreateContact(
            contact_service_pb2.CreateContactRequest(contact=contact, request_id=str(uuid4())),
            metadata=metadata,
            timeout=20,
        )
        made.industry = "软件"
        update = customer_service_pb2.UpdateCustomerRequest(
            customer=made, update_mask=FieldMask(paths=["industry"]), request_id=str(uuid4())
        )
        customers.UpdateCustomer(update, metadata=metadata, timeout=20)
        read = customer_service_pb2.GetCustomerRequest(name=made.name)
        assert customers.GetCustomer(read, metadata=metadata, timeout=20).industry == "软件"
    found = customer_service_pb2.ListCustomersRequest(search=f"池{mark}", page_size=50)
    return len(customers.ListCustomers(found, metadata=metadata, timeout=20).customers)


def test_many_callers_share_few_sessions(edge: Edge, direct: str):
    with ThreadPoolExecutor(CALLERS) as pool:
        assert list(pool.map(lambda number: work(edge, number), range(CALLERS))) == [ROUNDS] * CALLERS
    with psycopg.connect(direct, autocommit=True) as connection:
        sessions = connection.execute(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
            """
        ).fetchone()
        assert sessions is not None
        assert 0 < sessions[0] <= SESSIONS, "the server goes through the pooler alone"


def test_a_pooled_session_has_the_limits_of_one_of_its_own(pooled: str, edge: Edge):
    with connecting.connect(pooled, autocommit=True, **connecting.POOLED_OPTIONS) as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        assert connection.execute("SHOW statement_timeout").fetchone() == (f"{cli.STATEMENT_SECONDS}s",)
