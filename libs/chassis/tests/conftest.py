"""A made-up service that the tests of the edge call."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chassis.callers import current_caller
from chassis.calls import Calls
from chassis.errors import NotFound
from chassis.service import Runtime, Service, Servicer
from chassis.telemetry import current_trace_id
from sqlalchemy import text

HERE = Path(__file__).parent
CONTRACTS = HERE.parents[2] / "protos"


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The generated modules of `probe.proto`, as `.pb` and `.pb_grpc`."""
    import grpc_tools
    from grpc_tools import protoc

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    folder = tmp_path_factory.mktemp("generated")
    arguments = [
        f"-I{HERE}",
        f"-I{CONTRACTS}",
        f"-I{well_known}",
        f"--python_out={folder}",
        f"--grpc_python_out={folder}",
    ]
    assert protoc.main(["protoc", *arguments, "probe.proto"]) == 0
    sys.path.insert(0, str(folder))
    try:
        return SimpleNamespace(
            pb=importlib.import_module("probe_pb2"), pb_grpc=importlib.import_module("probe_pb2_grpc")
        )
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def probe_service(probe: SimpleNamespace) -> Callable[..., Service]:
    """Makes the service; `behaviour` may replace methods by name with `function(calls, request, context)`."""

    def make(**behaviour: Callable[[Calls, Any, Any], Any]) -> Service:
        def servicers(runtime: Runtime) -> list[Servicer]:
            implementation = _servicer(probe, Calls(runtime.database), behaviour)
            descriptor = probe.pb.DESCRIPTOR.services_by_name["ProbeService"]
            return [Servicer(descriptor, implementation, probe.pb_grpc.add_ProbeServiceServicer_to_server)]

        return Service("probe", HERE, servicers)

    return make


def _servicer(probe: SimpleNamespace, calls: Calls, behaviour: dict[str, Callable[..., Any]]) -> object:
    pb = probe.pb

    class ProbeServicer(probe.pb_grpc.ProbeServiceServicer):
        def GetProbe(self, request, context):
            with calls.read() as session:
                found = session.execute(text("SELECT :name AS name"), {"name": request.name}).one()
            if found.name == "probes/missing":
                raise NotFound("PROBE_NOT_FOUND", "there is no such probe", name=found.name)
            return pb.Probe(name=found.name)

        def CreateProbe(self, request, context):
            def create(session):
                session.execute(
                    text("INSERT INTO effect (name, subject) VALUES (:name, :subject)"),
                    {"name": request.probe.name, "subject": session.caller.subject},
                )
                number = session.scalar(text("SELECT count(*) FROM effect"))
                return pb.Probe(name=request.probe.name, text=str(number), secret="s3cret")

            return calls.write(request, pb.Probe, create, secret_fields=("secret",))

        def OpenDoor(self, request, context):
            return pb.Probe(name=current_caller().subject)

        def GetMe(self, request, context):
            caller = current_caller()
            return pb.Probe(name=caller.subject, text=caller.department_path)

        def UploadProbe(self, requests, context):
            size = sum(len(part.data) for part in requests)
            return pb.Probe(name=current_caller().subject, text=str(size))

        def DownloadProbe(self, request, context):
            for _ in range(3):
                yield pb.Probe(name=current_caller().subject, text=current_trace_id())

    servicer = ProbeServicer()
    for name, function in behaviour.items():
        setattr(servicer, name, lambda request, context, function=function: function(calls, request, context))
    return servicer


@pytest.fixture(scope="module")
def probe_url(make_database: Callable[..., str]) -> Iterator[str]:
    """A database for the service, with the table that it writes to."""
    import psycopg

    url = make_database("probe")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE effect (name text, subject text)")
    yield url
