"""A service calls another on its caller's behalf, and asks the authority over gRPC if it does not host it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import grpc
import pytest
from chassis import clients, deadlines
from chassis.callers import Reach
from chassis.clients import GrpcAuthority, open_channel
from chassis.errors import Exhausted
from chassis.settings import Settings
from chassis.status import from_rpc_error
from chassis.telemetry import current_trace_id
from chassis.testing.edge import Edge, LocalAuthority, bearer, running
from chassis.tokens import SigningKeys, key_id
from crm.identity.v1 import auth_service_pb2, auth_service_pb2_grpc, policy_service_pb2_grpc
from embedded.ports import free_port

READ = {"probe.read": Reach.ALL}


def _echo(pb, calls, request, context):
    from chassis.callers import current_caller

    text = f"{current_trace_id()} {deadlines.remaining(-1):.2f}"
    return pb.Probe(name=current_caller().subject, text=text)


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return LocalAuthority()


@pytest.fixture(scope="module")
def behind(probe_service, probe_url, authority) -> Iterator[Edge]:
    """The service that is called by the other."""
    with running([probe_service(GetMe=_echo)], {"probe": probe_url}, authority=authority) as edge:
        yield edge


def caller_of(probe, probe_service, target: str):
    """A service whose methods ask the one behind for the same."""
    channel = open_channel(Settings.read({"BEHIND_TARGET": target}), "behind")
    stub = probe.pb_grpc.ProbeServiceStub(channel)

    def ask(name: str):
        def behaviour(pb, calls, request, context):
            answer = getattr(stub, name)(request)
            return pb.Probe(name=answer.name, text=f"{answer.text} {current_trace_id()}")

        return behaviour

    return probe_service(GetMe=ask("GetMe"), GetProbe=ask("GetProbe"))


@pytest.fixture(scope="module")
def front(probe, probe_service, probe_url, authority, behind) -> Iterator[Edge]:
    with running([caller_of(probe, probe_service, behind.target)], {"probe": probe_url}, authority=authority) as edge:
        yield edge


def test_caller_trace_and_deadline_are_passed_on(probe, front):
    user = uuid4()
    stub = probe.pb_grpc.ProbeServiceStub(front.channel)
    answer = stub.GetMe(probe.pb.GetProbeRequest(), metadata=front.metadata_for(user), timeout=20)
    trace_behind, left, trace_here = answer.text.split()
    assert answer.name == f"users/{user}"
    assert trace_behind == trace_here
    assert 0 < float(left) < 20.1


def test_what_the_other_service_refuses_is_passed_on(probe, front):
    stub = probe.pb_grpc.ProbeServiceStub(front.channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetProbe(probe.pb.GetProbeRequest(name="probes/missing"), metadata=front.metadata_for(grants=READ))
    known = from_rpc_error(caught.value)
    assert (caught.value.code(), known.reason) == (grpc.StatusCode.NOT_FOUND, "PROBE_NOT_FOUND")


def test_a_service_that_is_away_makes_the_caller_unavailable(probe, probe_service, probe_url):
    with running([caller_of(probe, probe_service, "127.0.0.1:1")], {"probe": probe_url}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetMe(probe.pb.GetProbeRequest(), metadata=edge.metadata_for(), timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_calls_wait_for_the_replica_that_comes_after_the_only_one(
    probe, probe_service, probe_url, authority, monkeypatch
):
    """But for a moment: who has been away for longer is not waited for."""
    target = f"127.0.0.1:{free_port()}"
    services, databases = [probe_service(GetMe=_echo)], {"probe": probe_url}
    replica = partial(running, services, databases, environment={"GRPC_LISTEN": target}, authority=authority)
    with (
        running([caller_of(probe, probe_service, target)], databases, authority=authority) as front,
        ThreadPoolExecutor() as pool,
    ):
        stub = probe.pb_grpc.ProbeServiceStub(front.channel)
        ask = partial(stub.GetMe, probe.pb.GetProbeRequest(), metadata=front.metadata_for())
        with replica():
            ask()
        with monkeypatch.context() as patient:
            patient.setattr(clients, "SUCCESSION_SECONDS", 20)  # however long the next one takes to start here
            waiting = pool.submit(ask)
            time.sleep(0.75)
            with replica():
                assert waiting.result().name
        took = []
        for _ in range(6):
            began = time.monotonic()
            with pytest.raises(grpc.RpcError):
                ask()
            took.append(time.monotonic() - began)
        assert min(took[1:]) < clients.SUCCESSION_SECONDS


class Identity(auth_service_pb2_grpc.AuthServiceServicer, policy_service_pb2_grpc.PolicyServiceServicer):
    """The two contracts of identity that every server relies on, answered from a local authority."""

    def __init__(self, authority: LocalAuthority) -> None:
        self.authority = authority
        self.issued = 0

    def IssueClientToken(self, request, context):
        if (request.client_id, request.client_secret) != ("svc-probe", "open sesame"):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "BAD_CREDENTIALS")
        self.issued += 1
        pair = auth_service_pb2.TokenPair(access_token=f"token-{self.issued}")
        pair.expire_time.FromSeconds(int(time.time()) + 600)
        return pair

    def GetKeySet(self, request, context):
        return auth_service_pb2.KeySet(jwks_json=self.authority.key_set())

    def GetPolicy(self, request, context):
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer token-{self.issued}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "INVALID_TOKEN")
        return self.authority.policy(request.known_version)


@pytest.fixture
def identity(authority) -> Iterator[tuple[Identity, str]]:
    servicer = Identity(authority)
    server = grpc.server(ThreadPoolExecutor(4))
    auth_service_pb2_grpc.add_AuthServiceServicer_to_server(servicer, server)
    policy_service_pb2_grpc.add_PolicyServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"127.0.0.1:{port}"
    server.stop(0).wait()


def settings_for(target: str, secret: str = "open sesame") -> Settings:
    return Settings.read({"IDENTITY_TARGET": target, "SERVICE_CLIENT_SECRET_PROBE": secret})


def test_keys_and_policy_come_over_grpc_with_the_services_own_credentials(authority, identity):
    servicer, target = identity
    remote = GrpcAuthority(settings_for(target), "probe")
    try:
        token = authority.token(grants=READ)
        assert SigningKeys.key_set(authority.keys) == remote.key_set()
        assert key_id(token) in remote.key_set()
        policy = remote.policy(0)
        assert policy.version == authority.policy(0).version
        assert remote.policy(policy.version).unchanged
        assert servicer.issued == 1
        servicer.issued += 1  # the token it holds is no longer good
        assert remote.policy(0).version
        assert servicer.issued == 3
    finally:
        remote.close()


def test_wrong_credentials_are_told(identity):
    remote = GrpcAuthority(settings_for(identity[1], "wrong"), "probe")
    with pytest.raises(grpc.RpcError, match="BAD_CREDENTIALS"):
        remote.policy(0)
    remote.close()


def test_other_kinds_of_answers_keep_their_kind(probe, probe_service, probe_url, authority):
    def tired(pb, calls, request, context):
        raise Exhausted("QUOTA", "enough", limit=5)

    with running([probe_service(GetMe=tired)], {"probe": probe_url}, authority=authority) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetMe(probe.pb.GetProbeRequest(), metadata=bearer(authority.token()))
    known = from_rpc_error(caught.value)
    assert isinstance(known, Exhausted)
    assert (known.reason, known.details) == ("QUOTA", {"limit": "5"})
