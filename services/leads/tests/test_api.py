"""The service as its clients meet it, over gRPC, with a customers service beside it that knows one customer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import grpc
import pytest
from chassis.callers import Reach
from chassis.names import new_id
from chassis.testing.edge import running
from crm.customers.v1 import customer_pb2, customer_service_pb2, customer_service_pb2_grpc
from crm.leads.v1 import follow_up_pb2, follow_up_service_pb2, follow_up_service_pb2_grpc
from leads.main import SERVICE

GRANTS = dict.fromkeys(("follow_up.read", "follow_up.create", "customer.read"), Reach.SELF)


class OneCustomer(customer_service_pb2_grpc.CustomerServiceServicer):
    """A customers service that knows one customer, and who asked for it."""

    def __init__(self):
        self.name = f"customers/{new_id()}"
        self.owner = new_id()
        self.tokens = []

    def BatchGetCustomers(self, request, context):
        self.tokens.append(dict(context.invocation_metadata()).get("authorization"))
        found = [customer_pb2.Customer(name=self.name, owner=f"users/{self.owner}")] * (self.name in request.names)
        return customer_service_pb2.BatchGetCustomersResponse(customers=found)


@pytest.fixture(scope="module")
def customers():
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = OneCustomer()
    customer_service_pb2_grpc.add_CustomerServiceServicer_to_server(servicer, server)
    servicer.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    servicer.stop = lambda: server.stop(None).wait()
    server.start()
    yield servicer
    servicer.stop()


@pytest.fixture(scope="module")
def edge(make_database, customers):
    url = make_database("leads", SERVICE.migrations)
    with running([SERVICE], {"leads": url}, environment={"CUSTOMERS_TARGET": customers.target}) as edge:
        yield edge


@pytest.fixture
def call(edge, customers):
    stub = follow_up_service_pb2_grpc.FollowUpServiceStub(edge.channel)
    metadata = edge.metadata_for(customers.owner, "r/", GRANTS)
    return lambda method, request: getattr(stub, method)(request, metadata=metadata, timeout=30)


def draft(customer, **values):
    given = {"method": follow_up_pb2.FOLLOW_UP_METHOD_CALL, "content": "谈妥"} | values
    return follow_up_service_pb2.LogFollowUpRequest(
        follow_up=follow_up_pb2.FollowUp(customer=customer, **given), request_id=str(uuid4())
    )


def code_of(call, *arguments):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments)
    return caught.value.code().name


def test_a_follow_up_is_logged_and_read_back(call, customers):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    request = draft(customers.name, next_contact_time=tomorrow)
    logged = call("LogFollowUp", request)
    assert customers.tokens[-1].startswith("Bearer ")
    assert logged.author == f"users/{customers.owner}"
    assert call("LogFollowUp", request) == logged
    assert call("GetFollowUp", follow_up_service_pb2.GetFollowUpRequest(name=logged.name)) == logged
    listed = call("ListFollowUps", follow_up_service_pb2.ListFollowUpsRequest())
    assert list(listed.follow_ups) == [logged]


def test_calls_that_cannot_be_served_are_refused(call, customers):
    assert code_of(call, "LogFollowUp", draft(f"customers/{new_id()}")) == "NOT_FOUND"
    assert code_of(call, "LogFollowUp", draft("customers/1")) == "INVALID_ARGUMENT"
    assert code_of(call, "LogFollowUp", draft(customers.name, content="", method=0)) == "INVALID_ARGUMENT"
    assert code_of(call, "LogFollowUp", draft(customers.name, method=77)) == "INVALID_ARGUMENT"
    missing = follow_up_service_pb2.GetFollowUpRequest(name=f"followUps/{new_id()}")
    assert code_of(call, "GetFollowUp", missing) == "NOT_FOUND"


def test_several_are_logged_each_by_itself_and_once(call, customers):
    given = [draft(customers.name, content=text).follow_up for text in ("谈妥", "", "客户说下周定")]
    given += [draft(f"customers/{new_id()}").follow_up, draft("customers/1").follow_up]
    request = follow_up_service_pb2.BatchLogFollowUpsRequest(follow_ups=given, request_id=str(uuid4()))
    answer = call("BatchLogFollowUps", request)
    told = [(one.follow_up.content, one.reason, one.field) for one in answer.outcomes]
    assert told == [
        ("谈妥", "", ""),
        ("", "REQUIRED", "content"),
        ("客户说下周定", "", ""),
        ("", "CUSTOMER_NOT_FOUND", ""),
        ("", "INVALID_NAME", "customer"),
    ]
    assert call("BatchLogFollowUps", request) == answer
    empty = follow_up_service_pb2.BatchLogFollowUpsRequest()
    assert code_of(call, "BatchLogFollowUps", empty) == "INVALID_ARGUMENT"


def test_a_customers_service_that_is_down_is_told_as_such(call, customers):
    customers.stop()
    assert code_of(call, "LogFollowUp", draft(f"customers/{new_id()}")) == "UNAVAILABLE"
