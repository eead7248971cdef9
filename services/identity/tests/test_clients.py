"""The machines that may call the suite."""

from uuid import uuid4

import pytest
from chassis.testing import eventually
from chassis.testing.edge import bearer
from crm.identity.v1 import auth_service_pb2, client_pb2, department_service_pb2
from crm.identity.v1 import client_service_pb2 as pb
from identity.testing import grant, outcome, refused


def create(suite, *grants, client_id="", metadata=None, request_id="", **fields):
    client = client_pb2.Client(
        client_id=client_id or suite.unique("erp-"), display_name="金蝶", grants=grants, **fields
    )
    request = pb.CreateClientRequest(client=client, request_id=request_id)
    return suite.clients.CreateClient(request, metadata=metadata or suite.admin)


def token(suite, made):
    request = auth_service_pb2.IssueClientTokenRequest(
        client_id=made.client.client_id, client_secret=made.client_secret
    )
    return bearer(suite.auth.IssueClientToken(request).access_token)


def list_departments(suite, metadata):
    return suite.departments.ListDepartments(department_service_pb2.ListDepartmentsRequest(), metadata=metadata)


def test_machine_may_do_what_it_was_granted(suite):
    made = create(suite, grant("department.read"))
    assert len(made.client_secret) >= 43
    metadata = token(suite, made)
    assert list_departments(suite, metadata).departments
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        suite.clients.ListClients(pb.ListClientsRequest(), metadata=metadata)
    assert suite.audited(made.client.name) == ["client.create"]


def test_secret_is_told_once_and_not_kept(suite):
    request_id, client_id = str(uuid4()), suite.unique("once-")
    made = create(suite, client_id=client_id, request_id=request_id)
    again = create(suite, client_id=client_id, request_id=request_id)
    assert (again.client, again.client_secret) == (made.client, "")
    kept = suite.rows("SELECT response FROM idempotency_claim")
    assert not any(made.client_secret.encode() in row.response for row in kept)


def test_deleted_client_is_refused_at_once(suite):
    made = create(suite, grant("department.read"))
    metadata = token(suite, made)
    assert list_departments(suite, metadata).departments
    suite.clients.DeleteClient(pb.DeleteClientRequest(name=made.client.name), metadata=suite.admin)
    eventually(lambda: outcome(lambda: list_departments(suite, metadata)) == "TOKEN_REVOKED", timeout=1)
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        token(suite, made)
    with refused("NOT_FOUND", "CLIENT_NOT_FOUND"):
        suite.clients.DeleteClient(pb.DeleteClientRequest(name=made.client.name), metadata=suite.admin)


def test_disabled_client_may_not_sign_in(suite):
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        token(suite, create(suite, disabled=True))


def test_list_goes_by_client_id(suite):
    made = [create(suite).client.client_id for _ in range(3)]
    found, page_token = [], ""
    while True:
        page = suite.clients.ListClients(
            pb.ListClientsRequest(page_size=2, page_token=page_token), metadata=suite.admin
        )
        found += [client.client_id for client in page.clients]
        page_token = page.next_page_token
        if not page_token:
            break
    assert found == sorted(found)
    assert {*made, "svc-customers"} <= set(found)


@pytest.mark.parametrize(
    ("client_id", "grants", "code", "reason"),
    [
        ("X", [], "INVALID_ARGUMENT", "INVALID_CLIENT_ID"),
        ("svc-fake", [], "INVALID_ARGUMENT", "INVALID_CLIENT_ID"),
        ("", [grant("customer.read", "SELF")], "INVALID_ARGUMENT", "INVALID_SCOPE"),
        ("", [grant("customer.read", "DEPARTMENT_TREE")], "INVALID_ARGUMENT", "INVALID_SCOPE"),
        ("", [grant("customer.fly")], "INVALID_ARGUMENT", "UNKNOWN_PERMISSION"),
    ],
)
def test_what_cannot_be_is_refused(suite, client_id, grants, code, reason):
    with refused(code, reason):
        create(suite, *grants, client_id=client_id)


def test_client_id_is_unique(suite):
    made = create(suite)
    with refused("ALREADY_EXISTS", "CLIENT_ID_TAKEN"):
        create(suite, client_id=made.client.client_id)


def test_client_of_a_service_stays(suite):
    page = suite.clients.ListClients(pb.ListClientsRequest(page_size=200), metadata=suite.admin)
    service = next(client for client in page.clients if client.client_id == "svc-customers")
    assert list(service.grants) == [grant("policy.read")]
    with refused("FAILED_PRECONDITION", "BUILTIN_CLIENT"):
        suite.clients.DeleteClient(pb.DeleteClientRequest(name=service.name), metadata=suite.admin)


def test_nobody_creates_a_machine_that_may_do_more(suite):
    department = suite.department()
    _, metadata = suite.somebody(grant("client.create"), grant("customer.read", "CUSTOM", department.name))
    assert create(suite, grant("customer.read", "CUSTOM", department.name), metadata=metadata).client.name
    for excess in (grant("customer.read"), grant("contact.read"), grant("customer.read", "CUSTOM", suite.root.name)):
        with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
            create(suite, excess, metadata=metadata)
