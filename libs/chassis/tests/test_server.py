"""What clients meet at the edge of a service: what errors look like, streams, limits, draining."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import grpc
import pytest
from chassis import health
from chassis.callers import Reach, current_caller
from chassis.channels import ADMITTED
from chassis.errors import Duplicate, Invalid, Stale, Violation
from chassis.server import build_server
from chassis.service import Service, Servicer
from chassis.settings import Settings
from chassis.status import from_rpc_error
from chassis.testing import eventually
from chassis.testing.edge import Edge, LocalAuthority, running
from chassis.testing.errors import details_of, error_of, info_of, refusal
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from sqlalchemy import text

READ = {"probe.read": Reach.ALL}


@pytest.fixture(scope="module")
def edge(probe_service: Callable[..., Service], probe_url: str) -> Iterator[Edge]:
    with running([probe_service()], {"probe": probe_url}) as running_edge:
        yield running_edge


@pytest.fixture(scope="module")
def stub(probe: SimpleNamespace, edge: Edge):
    return probe.pb_grpc.ProbeServiceStub(edge.channel)


def test_what_a_service_raises_reaches_the_client_with_its_reason(stub, probe, edge):
    request = probe.pb.GetProbeRequest(name="probes/missing")
    error = error_of(lambda: stub.GetProbe(request, metadata=edge.metadata_for(grants=READ)))
    assert refusal(error) == ("NOT_FOUND", "PROBE_NOT_FOUND")
    assert info_of(error).metadata["name"] == "probes/missing"
    assert len(dict(error.trailing_metadata())["traceparent"]) == 55


def raising(error: Exception) -> Callable[..., object]:
    def behaviour(pb, calls, request, context):
        raise error

    return behaviour


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (Stale("STALE_ETAG", "changed meanwhile"), "ABORTED"),
        (Duplicate("DUPLICATE", "exists"), "ALREADY_EXISTS"),
        (ZeroDivisionError("SELECT secret FROM vault"), "INTERNAL"),
        (NotImplementedError("x"), "UNIMPLEMENTED"),
    ],
)
def test_each_kind_of_failure_has_its_code(probe, probe_service, probe_url, raised, code):
    with running([probe_service(OpenDoor=raising(raised))], {"probe": probe_url}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        error = error_of(lambda: stub.OpenDoor(probe.pb.GetProbeRequest()))
    assert error.code().name == code
    if code == "INTERNAL":
        assert info_of(error).reason == "INTERNAL"
        assert info_of(error).metadata["error_id"] in error.details()
        assert "vault" not in str(error.details()) + str(details_of(error))


def test_field_violations_are_told_apart(probe, probe_service, probe_url):
    raised = Invalid("INVALID", "two fields", violations=[Violation("a", "REQUIRED", "x"), Violation("b", "LONG", "y")])
    with running([probe_service(OpenDoor=raising(raised))], {"probe": probe_url}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        error = error_of(lambda: stub.OpenDoor(probe.pb.GetProbeRequest()))
    bad_request = error_details_pb2.BadRequest()
    assert details_of(error)[1].Unpack(bad_request)
    assert [(v.field, v.reason) for v in bad_request.field_violations] == [("a", "REQUIRED"), ("b", "LONG")]
    known = from_rpc_error(error)
    assert isinstance(known, Invalid)
    assert [v.field for v in known.violations] == ["a", "b"]


def test_a_lost_database_is_unavailable(probe, probe_service):
    nowhere = "postgresql://postgres@127.0.0.1:1/none"
    with running([probe_service()], {"probe": nowhere}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        error = error_of(
            lambda: stub.GetProbe(probe.pb.GetProbeRequest(name="x"), metadata=edge.metadata_for(grants=READ))
        )
        assert refusal(error) == ("UNAVAILABLE", "DATABASE_UNAVAILABLE")
        health = health_pb2_grpc.HealthStub(edge.channel)
        for name in ("", "probe", "crm.probe.v1.ProbeService"):
            assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == 2


def test_an_oversized_request_is_refused_with_a_reason(stub, probe, edge):
    metadata = edge.metadata_for(grants={"probe.create": Reach.ALL})
    big = probe.pb.Probe(data=b"x" * (9 * 1024 * 1024))
    with grpc.insecure_channel(edge.target, options=(("grpc.max_send_message_length", -1),)) as channel:
        own = probe.pb_grpc.ProbeServiceStub(channel)
        unary = error_of(lambda: own.CreateProbe(probe.pb.CreateProbeRequest(probe=big), metadata=metadata))
        upload = error_of(lambda: own.UploadProbe(iter([big]), metadata=metadata))
        stranger = error_of(lambda: own.UploadProbe(iter([big])))
        far = probe.pb.CreateProbeRequest(probe=probe.pb.Probe(data=b"x" * (20 * 1024 * 1024)))
        huge = error_of(lambda: own.CreateProbe(far, metadata=metadata))
    assert refusal(unary) == refusal(upload) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
    assert refusal(stranger) == ("UNAUTHENTICATED", "MISSING_TOKEN")
    assert huge.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_upload_is_let_in_before_anything_is_sent(stub, probe, edge):
    sent = threading.Event()

    def parts() -> Iterator[object]:
        sent.wait(30)
        yield probe.pb.Probe(data=b"abc")

    metadata = edge.metadata_for(grants={"probe.create": Reach.ALL})
    call = stub.UploadProbe.future(parts(), metadata=metadata, timeout=60)
    assert (ADMITTED, "true") in call.initial_metadata()
    sent.set()
    assert call.result().text == "3"
    refused = stub.UploadProbe.future(iter([]), timeout=60)
    assert not refused.initial_metadata()
    assert refusal(error_of(refused.result)) == ("UNAUTHENTICATED", "MISSING_TOKEN")


def test_a_malformed_request_is_refused_with_a_reason(probe, edge):
    raw = edge.channel.unary_unary("/crm.probe.v1.ProbeService/GetProbe")
    error = error_of(lambda: raw(b"\x0a\xff\xff", metadata=edge.metadata_for(grants=READ)))
    assert refusal(error) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")


def test_streams_keep_their_caller_throughout(stub, probe, edge):
    """Many streams at once, each in turn given to whichever thread is free."""

    def download(_: int) -> bool:
        user = uuid4()
        metadata = edge.metadata_for(user, grants=READ)
        answers = list(stub.DownloadProbe(probe.pb.GetProbeRequest(), metadata=metadata))
        return {a.name for a in answers} == {f"users/{user}"} and len({a.text for a in answers}) == 1

    def upload(_: int) -> bool:
        user = uuid4()
        metadata = edge.metadata_for(user, grants={"probe.create": Reach.ALL})
        answer = stub.UploadProbe(iter([probe.pb.Probe(data=b"abc")] * 4), metadata=metadata)
        return (answer.name, answer.text) == (f"users/{user}", "12")

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(download, range(40)))
        assert all(pool.map(upload, range(40)))


def test_nothing_of_a_call_stays_behind_in_its_thread(probe, probe_service, probe_url):
    seen = []

    def leave_traces(pb, calls, request, context):
        try:
            seen.append(current_caller().subject)
        except LookupError:
            seen.append("nobody")
        return pb.Probe()

    with running(
        [probe_service(OpenDoor=leave_traces)], {"probe": probe_url}, environment={"SERVER_THREADS": "1"}
    ) as e:
        stub = probe.pb_grpc.ProbeServiceStub(e.channel)
        stub.GetMe(probe.pb.GetProbeRequest(), metadata=e.metadata_for())
        stub.OpenDoor(probe.pb.GetProbeRequest())
    assert seen == [""]


def test_a_stream_that_the_client_leaves_lets_go_in_its_own_context(probe, probe_service, probe_url):
    left = []

    def endless(pb, calls, request, context):
        try:
            while True:
                yield pb.Probe(name=current_caller().subject)
        finally:
            left.append(current_caller().subject)

    user = uuid4()
    with running([probe_service(DownloadProbe=endless)], {"probe": probe_url}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        stream = stub.DownloadProbe(probe.pb.GetProbeRequest(), metadata=edge.metadata_for(user, grants=READ))
        next(stream)
        stream.cancel()
        eventually(lambda: left == [f"users/{user}"])


def test_streams_do_not_keep_calls_waiting(probe, probe_service, probe_url):
    release = threading.Event()

    def held(pb, calls, request, context):
        yield pb.Probe(name="first")
        release.wait(20)

    service = probe_service(DownloadProbe=held)
    with running([service], {"probe": probe_url}, environment={"SERVER_THREADS": "1"}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        stream = stub.DownloadProbe(probe.pb.GetProbeRequest(), metadata=edge.metadata_for(grants=READ))
        next(stream)
        stub.OpenDoor(probe.pb.GetProbeRequest(), timeout=30)
        release.set()
        assert list(stream) == []


def test_a_service_can_ask_another_one_in_the_same_process(probe, probe_service, probe_url):
    target = []

    def ask(request, context):
        with grpc.insecure_channel(target[0]) as channel:
            return probe.pb_grpc.ProbeServiceStub(channel).OpenDoor(request, timeout=30)

    register = probe.pb_grpc.add_NeighbourServiceServicer_to_server
    descriptor = probe.pb.DESCRIPTOR.services_by_name["NeighbourService"]
    servicer = Servicer(descriptor, SimpleNamespace(AskNext=ask), register)
    neighbour = Service("neighbour", Path(__file__).parent, lambda runtime: [servicer])
    databases = {"probe": probe_url, "neighbour": probe_url}
    with running([neighbour, probe_service()], databases, environment={"SERVER_THREADS": "1"}) as edge:
        target.append(edge.target)
        stub = probe.pb_grpc.NeighbourServiceStub(edge.channel)
        # More at once than it has threads for.
        answers = [stub.AskNext.future(probe.pb.GetProbeRequest(), timeout=30) for _ in range(3)]
        assert [answer.result().text for answer in answers] == ["", "", ""]


def test_what_is_late_is_not_committed(probe, probe_service, probe_url):
    began, over, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(pb, calls, request, context):
        def create(session):
            session.execute(text("INSERT INTO effect (name) VALUES ('late')"))
            began.set()
            assert over.wait(60)
            return pb.Probe()

        try:
            return calls.write(request, pb.Probe, create)
        finally:
            ended.set()

    with running([probe_service(CreateProbe=slow)], {"probe": probe_url}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        metadata = edge.metadata_for(grants={"probe.create": Reach.ALL})

        def is_late() -> bool:
            error = error_of(lambda: stub.CreateProbe(probe.pb.CreateProbeRequest(), metadata=metadata, timeout=0.5))
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return began.is_set()

        eventually(is_late)  # on a machine that stands still just now, a call is too late to begin at all
        over.set()
        assert ended.wait(60)
        for each in (began, over, ended):
            each.clear()
        call = stub.CreateProbe.future(probe.pb.CreateProbeRequest(), metadata=metadata, timeout=20)
        assert began.wait(60)
        call.cancel()
        eventually(call.done)
        over.set()
        assert ended.wait(60)
        with edge.runtimes["probe"].database.engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM effect WHERE name = 'late'")) == 0


def test_a_client_without_a_deadline_gets_the_longest_one(probe, probe_service, probe_url):
    from chassis import deadlines

    def left(pb, calls, request, context):
        return pb.Probe(text=str(deadlines.remaining(-1)))

    with running([probe_service(OpenDoor=left)], {"probe": probe_url}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        assert 20 < float(stub.OpenDoor(probe.pb.GetProbeRequest()).text) <= 30
        assert 20 < float(stub.OpenDoor(probe.pb.GetProbeRequest(), timeout=300).text) <= 30
        assert 1 < float(stub.OpenDoor(probe.pb.GetProbeRequest(), timeout=20).text) < 20.1


def test_a_server_says_what_it_serves_and_that_it_is_well(edge):
    health = health_pb2_grpc.HealthStub(edge.channel)
    for name in ("", "probe", "crm.probe.v1.ProbeService"):
        assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == 1
    names = ProtoReflectionDescriptorDatabase(edge.channel).get_services()
    assert {"crm.probe.v1.ProbeService", "crm.common.v1.TestClockService", "grpc.health.v1.Health"} <= set(names)


def test_a_read_is_one_round_trip(probe, probe_service, probe_url, tmp_path, monkeypatch):
    monkeypatch.setattr(health, "LOOK_SECONDS", 3600)  # nobody else uses a connection meanwhile
    with (
        running([probe_service()], {"probe": probe_url}) as edge,
        (tmp_path / "protocol").open("w+") as log,
    ):
        stub, metadata = probe.pb_grpc.ProbeServiceStub(edge.channel), edge.metadata_for(grants=READ)
        with edge.runtimes["probe"].database.pool_engine.connect() as connection:
            driver = connection.connection.dbapi_connection
            driver.prepare_threshold = None  # the sixth run of a statement would prepare it, once, in a trip of its own
            driver.pgconn.trace(log.fileno())
        # The pool hands out the connection that was given back last.
        stub.GetProbe(probe.pb.GetProbeRequest(name="probes/1"), metadata=metadata)
        driver.pgconn.untrace()
        log.seek(0)
        sent = [line.split("\t")[3].strip() for line in log if line.split("\t")[1] == "F"]
    assert sent.count("Sync") + sent.count("Query") == 1
    assert sent.count("Execute") == 1


def test_a_method_without_access_keeps_the_server_from_starting(probe):
    descriptor = probe.pb.DESCRIPTOR.services_by_name["SilentService"]
    servicer = Servicer(
        descriptor, probe.pb_grpc.SilentServiceServicer(), probe.pb_grpc.add_SilentServiceServicer_to_server
    )
    silent = Service("silent", Path(), lambda runtime: [servicer])
    settings = Settings.read({"GRPC_LISTEN": "127.0.0.1:0", "DATABASE_URL_SILENT": "postgresql://127.0.0.1:1/x"})
    from chassis.cli import make_runtime

    with pytest.raises(Invalid, match=r"SilentService.GetProbe must state") as caught:
        build_server(settings, [(silent, make_runtime(settings, silent))], authority=LocalAuthority())
    assert caught.value.reason == "MISSING_ACCESS"


def test_a_port_in_use_is_named(edge, probe_service, probe_url):
    with (
        pytest.raises(Invalid, match="in use") as caught,
        running([probe_service()], {"probe": probe_url}, environment={"GRPC_LISTEN": edge.target}),
    ):
        pass
    assert caught.value.reason == "PORT_IN_USE"


def test_a_stopping_server_finishes_what_is_under_way(probe, probe_service, probe_url):
    began = threading.Event()

    def slow(pb, calls, request, context):
        began.set()
        with calls.database.engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(0.3)"))
        return pb.Probe(text="done")

    with running([probe_service(OpenDoor=slow)], {"probe": probe_url}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        call = stub.OpenDoor.future(probe.pb.GetProbeRequest(), timeout=30)
        assert began.wait(60)
        edge.server.stop(grace=30)
        assert call.result().text == "done"
        assert edge.server.health.checks["draining"]()
