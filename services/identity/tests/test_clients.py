"""The machines that may call the suite."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from chassis.origins import Origin, metadata_for
from chassis.testing import eventually
from chassis.testing.edge import bearer
from crm.identity.v1 import auth_service_pb2, client_pb2, department_service_pb2
from crm.identity.v1 import client_service_pb2 as pb
from identity.main import SERVICE
from identity.testing import grant, outcome, refused, running_suite
from identity.usecases.sign_in_client import FAILURES
from sqlalchemy import text


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
    assert suite.audited(made.client.name) == ["client.create", "client.issue_token"]


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
    eventually(lambda: outcome(lambda: list_departments(suite, metadata)) == "TOKEN_REVOKED")
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


def get(suite, made):
    return suite.clients.GetClient(pb.GetClientRequest(name=made.client.name), metadata=suite.admin)


def change(suite, made, *paths, metadata=None, **fields):
    client = client_pb2.Client(name=made.client.name, **fields)
    request = pb.UpdateClientRequest(client=client, request_id=str(uuid4()))
    request.update_mask.paths.extend(paths or fields)
    return suite.clients.UpdateClient(request, metadata=metadata or suite.admin)


def rotate(suite, made, metadata=None, **fields):
    request = pb.RotateClientSecretRequest(name=made.client.name, request_id=str(uuid4()), **fields)
    return suite.clients.RotateClientSecret(request, metadata=metadata or suite.admin)


def test_a_client_is_read_and_changed(suite):
    made = create(suite, grant("department.read"), calls_per_minute=600, allowed_addresses=["10.1.0.0/16", "::1"])
    assert get(suite, made) == made.client
    assert (made.client.calls_per_minute, list(made.client.allowed_addresses)) == (600, ["10.1.0.0/16", "::1/128"])
    changed = change(suite, made, "display_name", "allowed_addresses", display_name="用友")
    assert (changed.display_name, list(changed.allowed_addresses), changed.calls_per_minute) == ("用友", [], 600)
    assert change(suite, made, display_name="用友") == changed
    with refused("ABORTED", "STALE_ETAG"):
        change(suite, made, "display_name", display_name="金蝶", etag=made.client.etag)
    assert suite.audited(made.client.name) == ["client.create", "client.update"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"calls_per_minute": -1}, "INVALID_RATE"),
        ({"calls_per_minute": 1_000_001}, "INVALID_RATE"),
        ({"allowed_addresses": ["10.1.0.1/16"]}, "INVALID_ADDRESS"),
        ({"allowed_addresses": ["here"]}, "INVALID_ADDRESS"),
        ({"allowed_addresses": [f"10.0.0.{n}" for n in range(51)]}, "TOO_MANY"),
        ({"display_name": " "}, "INVALID_DISPLAY_NAME"),
        ({"grants": [grant("department.read", "SELF")]}, "INVALID_SCOPE"),
    ],
)
def test_what_cannot_be_right_is_refused_also_in_a_change(suite, fields, reason):
    made = create(suite)
    with refused("INVALID_ARGUMENT", reason):
        change(suite, made, **fields)
    assert get(suite, made) == made.client


def test_new_grants_hold_at_once_and_a_disabled_client_is_refused_at_once(suite):
    made = create(suite)
    metadata = token(suite, made)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        list_departments(suite, metadata)
    change(suite, made, grants=[grant("department.read")])
    eventually(lambda: not isinstance(outcome(lambda: list_departments(suite, metadata)), str))
    change(suite, made, disabled=True)
    eventually(lambda: outcome(lambda: list_departments(suite, metadata)) == "TOKEN_REVOKED")
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        token(suite, made)
    change(suite, made, "disabled")
    assert list_departments(suite, token(suite, made)).departments


def test_the_former_secret_works_for_a_while_after_a_new_one_is_given(suite):
    made = create(suite, grant("department.read"))
    rotated = rotate(suite, made)
    assert rotated.client_secret not in ("", made.client_secret)
    expires = rotated.client.former_secret_expire_time.ToDatetime(UTC)
    assert timedelta(hours=23, minutes=59) < expires - datetime.now(UTC) < timedelta(hours=24, minutes=1)
    before = token(suite, made)
    assert token(suite, rotated)
    past = "UPDATE client SET former_secret_expire_time = now() - interval '1 second' WHERE client_id = :id"
    with suite.runtime.database.engine.begin() as connection:
        connection.execute(text(past), {"id": made.client.client_id})
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        token(suite, made)
    assert list_departments(suite, before).departments
    assert "client.rotate_secret" in suite.audited(made.client.name)


def test_a_secret_that_was_stolen_is_ended_at_once_with_its_tokens(suite):
    made = create(suite, grant("department.read"))
    stolen = token(suite, made)
    rotated = rotate(suite, made, overlap_hours=0)
    with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
        token(suite, made)
    eventually(lambda: outcome(lambda: list_departments(suite, stolen)) == "TOKEN_REVOKED")
    assert list_departments(suite, token(suite, rotated)).departments
    for hours in (-1, 721):
        with refused("INVALID_ARGUMENT", "INVALID_OVERLAP"):
            rotate(suite, made, overlap_hours=hours)


def test_nobody_gets_a_secret_or_grants_beyond_what_they_hold(suite):
    made = create(suite, grant("role.read"))
    _, clerk = suite.somebody(grant("client.update"), grant("client.read"))
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        rotate(suite, made, metadata=clerk)
    with refused("PERMISSION_DENIED", "PRIVILEGE_ESCALATION"):
        change(suite, made, grants=[grant("role.read"), grant("department.read")], metadata=clerk)
    assert change(suite, made, grants=[grant("role.read"), grant("client.read")], metadata=clerk).grants
    _, narrow = suite.somebody(grant("client.update", "SELF"))
    with refused("PERMISSION_DENIED", "SCOPE_TOO_NARROW"):
        change(suite, made, display_name="x", metadata=narrow)


def test_a_service_of_the_suite_is_changed_by_nobody(suite):
    listed = suite.clients.ListClients(pb.ListClientsRequest(), metadata=suite.admin).clients
    [service] = [client for client in listed if client.client_id == "svc-customers"]
    made = pb.ClientWithSecret(client=service)
    for attempt in (lambda: change(suite, made, display_name="x"), lambda: rotate(suite, made)):
        with refused("FAILED_PRECONDITION", "BUILTIN_CLIENT"):
            attempt()


def test_the_last_use_is_noted_once_a_minute(suite):
    made = create(suite)
    token(suite, made)
    first = get(suite, made)
    assert abs(first.last_use_time.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(seconds=30)
    token(suite, made)
    assert get(suite, made) == first
    assert first.etag == made.client.etag


def test_a_client_signs_in_from_its_addresses_only(make_database):
    secret = "secret-of-gateway-and-services"
    with running_suite(make_database("identity", SERVICE.migrations), GATEWAY_SECRET=secret) as suite:
        made = create(suite, allowed_addresses=["10.1.0.0/16"])
        request = auth_service_pb2.IssueClientTokenRequest(
            client_id=made.client.client_id, client_secret=made.client_secret
        )
        for address in ("10.2.0.1", "192.0.2.1"):
            with refused("PERMISSION_DENIED", "ADDRESS_NOT_ALLOWED"):
                suite.auth.IssueClientToken(request, metadata=metadata_for(Origin(address), secret))
        with refused("PERMISSION_DENIED", "ADDRESS_NOT_ALLOWED"):
            suite.auth.IssueClientToken(request, metadata=metadata_for(Origin("10.1.2.3"), "of somebody else"))
        assert suite.auth.IssueClientToken(request, metadata=metadata_for(Origin("10.1.2.3"), secret)).access_token
        assert get(suite, made).last_address == "10.1.2.3"


def test_failures_are_limited_and_the_right_secret_is_let_in_all_the_same(suite):
    made = create(suite)
    request = auth_service_pb2.IssueClientTokenRequest(client_id=made.client.client_id, client_secret="guess")
    for _ in range(FAILURES.per_name_and_address):
        with refused("UNAUTHENTICATED", "BAD_CREDENTIALS"):
            suite.auth.IssueClientToken(request)
    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_ATTEMPTS"):
        suite.auth.IssueClientToken(request)
    assert token(suite, made)


def test_a_client_that_calls_too_often_is_told_when_to_try_again(suite):
    made = create(suite, grant("department.read"), calls_per_minute=5)
    metadata = token(suite, made)
    outcomes = [outcome(lambda: list_departments(suite, metadata)) for _ in range(7)]
    assert [isinstance(each, str) for each in outcomes] == [False] * 5 + [True] * 2
    assert set(outcomes[5:]) == {"RATE_LIMITED"}
    change(suite, made, "calls_per_minute")
    eventually(lambda: not isinstance(outcome(lambda: list_departments(suite, metadata)), str))
    assert all(list_departments(suite, metadata).departments for _ in range(20))
