"""Who is let in at the edge of a service, and who is not."""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from uuid import uuid4

import grpc
import pytest
from chassis.callers import Grant, Reach
from chassis.service import Service
from chassis.testing import eventually
from chassis.testing.edge import Edge, bearer, running
from chassis.testing.errors import error_of, info_of, refusal

READ = {"probe.read": Reach.ALL}


@pytest.fixture(scope="module")
def edge(probe_service: Callable[..., Service], probe_url: str) -> Iterator[Edge]:
    with running([probe_service()], {"probe": probe_url}) as running_edge:
        yield running_edge


@pytest.fixture(scope="module")
def stub(probe: SimpleNamespace, edge: Edge):
    return probe.pb_grpc.ProbeServiceStub(edge.channel)


def test_a_granted_call_is_answered(stub, probe, edge):
    answer = stub.GetProbe(probe.pb.GetProbeRequest(name="probes/1"), metadata=edge.metadata_for(grants=READ))
    assert answer.name == "probes/1"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (lambda a: None, "MISSING_TOKEN"),
        (lambda a: "gibberish", "INVALID_TOKEN"),
        (lambda a: "a.b.c", "INVALID_TOKEN"),
        (lambda a: "x" * 20_000, "INVALID_TOKEN"),
        (lambda a: a.expired_token(READ), "TOKEN_EXPIRED"),
        (lambda a: a.foreign_token(READ), "INVALID_TOKEN"),
    ],
)
@pytest.mark.parametrize("method", ["GetProbe", "GetMe", "DownloadProbe", "UploadProbe"])
def test_strangers_are_refused(stub, probe, edge, method, token, reason):
    made = token(edge.authority)
    metadata = bearer(made) if made else ()
    request = iter([probe.pb.Probe()]) if method == "UploadProbe" else probe.pb.GetProbeRequest()

    def call():
        answer = getattr(stub, method)(request, metadata=metadata)
        return list(answer) if method == "DownloadProbe" else answer

    assert refusal(error_of(call)) == ("UNAUTHENTICATED", reason)


def test_another_scheme_than_bearer_is_refused(stub, probe):
    error = error_of(lambda: stub.GetMe(probe.pb.GetProbeRequest(), metadata=(("authorization", "Basic abc"),)))
    assert refusal(error) == ("UNAUTHENTICATED", "INVALID_TOKEN")


def test_a_missing_permission_is_named(stub, probe, edge):
    metadata = edge.metadata_for(grants={"probe.create": Reach.ALL})
    error = error_of(lambda: stub.GetProbe(probe.pb.GetProbeRequest(), metadata=metadata))
    assert refusal(error) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
    assert info_of(error).metadata["permission"] == "probe.read"
    assert info_of(error).domain == "probe.crm"


def test_a_grant_of_everything_covers_each_permission(stub, probe, edge):
    metadata = edge.metadata_for(grants={"*": Reach.ALL})
    assert stub.GetProbe(probe.pb.GetProbeRequest(name="probes/2"), metadata=metadata).name == "probes/2"


def test_a_public_method_needs_no_token_and_ignores_a_bad_one(stub, probe, edge):
    assert stub.OpenDoor(probe.pb.GetProbeRequest()).name == ""
    assert stub.OpenDoor(probe.pb.GetProbeRequest(), metadata=bearer(edge.authority.expired_token())).name == ""


def test_a_partner_gets_in_only_where_partners_are_let_in(stub, probe, edge):
    metadata = bearer(edge.authority.token(grants={"*": Reach.ALL}, partner=f"partners/{uuid4()}"))
    request = probe.pb.GetProbeRequest(name="probes/1")
    for call in (stub.GetProbe, lambda *args, **kwargs: list(stub.DownloadProbe(*args, **kwargs))):
        refused = error_of(lambda call=call: call(request, metadata=metadata))
        assert refusal(refused) == ("PERMISSION_DENIED", "EMPLOYEES_ONLY")
    assert stub.GetMe(request, metadata=metadata)
    assert stub.OpenDoor(request, metadata=metadata)
    malformed = bearer(edge.authority.token(partner="none"))
    assert refusal(error_of(lambda: stub.GetMe(request, metadata=malformed))) == ("UNAUTHENTICATED", "INVALID_TOKEN")


def test_a_method_for_the_signed_in_needs_no_permission(stub, probe, edge):
    user = uuid4()
    answer = stub.GetMe(probe.pb.GetProbeRequest(), metadata=edge.metadata_for(user, "/hq/east/"))
    assert (answer.name, answer.text) == (f"users/{user}", "/hq/east/")


def test_machines_hold_the_grants_of_their_client(stub, probe, edge):
    metadata = bearer(edge.authority.client_token(uuid4(), READ))
    assert stub.GetProbe(probe.pb.GetProbeRequest(name="probes/1"), metadata=metadata).name == "probes/1"
    other = bearer(edge.authority.client_token(uuid4(), {}))
    error = error_of(lambda: stub.GetProbe(probe.pb.GetProbeRequest(), metadata=other))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("by", ["user", "session"])
def test_a_revocation_refuses_older_tokens_and_no_newer_ones(stub, probe, edge, by):
    user, session = uuid4(), uuid4()
    metadata = bearer(edge.authority.token(user, sid=str(session)))
    stub.GetMe(probe.pb.GetProbeRequest(), metadata=metadata)
    edge.authority.revoke(f"users/{user}" if by == "user" else f"sessions/{session}")

    def refused() -> bool:
        try:
            stub.GetMe(probe.pb.GetProbeRequest(), metadata=metadata)
        except grpc.RpcError as error:
            return refusal(error) == ("UNAUTHENTICATED", "TOKEN_REVOKED")
        return False

    eventually(refused)
    assert stub.GetMe(probe.pb.GetProbeRequest(), metadata=edge.metadata_for(user)).name == f"users/{user}"


def test_a_newer_policy_in_a_token_is_fetched_at_once(stub, probe, edge):
    for number in range(3):
        grants = {"probe.read": Grant("probe.read", Reach.CUSTOM, (f"/d{number}/{uuid4()}/",))}
        stub.GetProbe(probe.pb.GetProbeRequest(name="probes/1"), metadata=edge.metadata_for(grants=grants))
        time.sleep(0.25)  # longer than the shortest time between two forced fetches, shorter than a poll
