"""A made-up service that the tests of the edge call."""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chassis import audit
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
    arguments = [f"-I{place}" for place in (HERE, CONTRACTS, well_known)]
    arguments += [f"--python_out={folder}", f"--grpc_python_out={folder}"]
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
    """Makes the service; `behaviour` may replace methods by name with `function(pb, calls, request, context)`."""

    def make(**behaviour: Callable[[Calls, Any, Any], Any]) -> Service:
        def servicers(runtime: Runtime) -> list[Servicer]:
            implementation = _servicer(probe, Calls(runtime.database), behaviour)
            descriptor = probe.pb.DESCRIPTOR.services_by_name["ProbeService"]
            return [Servicer(descriptor, implementation, probe.pb_grpc.add_ProbeServiceServicer_to_server)]

        return Service("probe", HERE, servicers)

    return make


def _servicer(probe: SimpleNamespace, calls: Calls, behaviour: dict[str, Callable[..., Any]]) -> object:
    servicer = probe.pb_grpc.ProbeServiceServicer()
    for name, function in {**_BEHAVIOUR, **behaviour}.items():
        setattr(servicer, name, partial(function, probe.pb, calls))
    return servicer


def _get(pb, calls, request, context):
    with calls.read() as session:
        found = session.execute(text("SELECT :name AS name"), {"name": request.name}).one()
    if found.name == "probes/missing":
        raise NotFound("PROBE_NOT_FOUND", "there is no such probe", name=found.name)
    return pb.Probe(name=found.name)


def _create(pb, calls, request, context):
    def create(session):
        session.execute(
            text("INSERT INTO effect (name, subject) VALUES (:name, :subject)"),
            {"name": request.probe.name, "subject": session.caller.subject},
        )
        audit.record(session, "probe.create", request.probe.name, None, {"name": request.probe.name})
        count = session.scalar(text("SELECT count(*) FROM effect WHERE name = :name"), {"name": request.probe.name})
        return pb.Probe(name=request.probe.name, text=str(count), secret="s3cret")

    return calls.write(request, pb.Probe, create, secret_fields=("secret",))


def _whoami(pb, calls, request, context):
    caller = current_caller()
    return pb.Probe(name=caller.subject, text=caller.department_path)


def _upload(pb, calls, requests, context):
    size = sum(len(part.data) for part in requests)
    return pb.Probe(name=current_caller().subject, text=str(size))


def _download(pb, calls, request, context):
    for _ in range(3):
        yield pb.Probe(name=current_caller().subject, text=current_trace_id())


_BEHAVIOUR: dict[str, Callable[..., Any]] = {
    "GetProbe": _get,
    "CreateProbe": _create,
    "OpenDoor": _whoami,
    "GetMe": _whoami,
    "UploadProbe": _upload,
    "DownloadProbe": _download,
}


@pytest.fixture(scope="module")
def probe_url(make_database: Callable[..., str]) -> str:
    """A database for the service, with the table that it writes to."""
    import psycopg

    url = make_database("probe")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE effect (name text, subject text)")
    return url
