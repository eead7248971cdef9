"""One trace runs from the client's call through the service's statements, and logs and answers name it."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from chassis import logs, telemetry
from chassis.callers import Reach, service_caller
from chassis.copying import write_lines
from chassis.db import Database
from chassis.settings import Settings
from chassis.spans import Recorder
from chassis.testing import eventually
from chassis.testing.edge import Edge, running
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import StatusCode
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

READ = {"probe.read": Reach.ALL}
NUMBER = "13800138000"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    telemetry.start(Settings.read({"TRACE_FOLDER": str(tmp_path)}), "probe-serve")
    yield tmp_path
    telemetry.stop()


@pytest.fixture(scope="module")
def edge(probe_service, probe_url) -> Iterator[Edge]:
    with running([probe_service()], {"probe": probe_url}) as running_edge:
        yield running_edge


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter("probe-serve"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def spans(folder: Path) -> list[dict]:
    telemetry.flush()
    return [json.loads(line) for line in (folder / "probe-serve.jsonl").read_text().splitlines()]


def call(probe, edge: Edge, name: str = "probes/1", *extra: tuple[str, str]) -> str:
    stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
    metadata = (*edge.metadata_for(grants=READ), *extra)
    _, finished = stub.GetProbe.with_call(probe.pb.GetProbeRequest(name=name), metadata=metadata)
    return dict(finished.trailing_metadata())["traceparent"]


def test_a_call_and_its_statements_go_on_the_clients_trace(probe, edge, folder):
    answered = call(probe, edge, "probes/1", ("traceparent", PARENT))
    assert answered.split("-")[1] == TRACE
    found = {span["name"]: span for span in spans(folder)}
    server, sql = found["crm.probe.v1.ProbeService/GetProbe"], found["SQL SELECT"]
    assert server["trace_id"] == sql["trace_id"] == TRACE
    assert server["parent_span_id"] == "00f067aa0ba902b7"
    assert sql["parent_span_id"] == server["span_id"] == answered.split("-")[2]
    assert server["process"] == "probe-serve"
    assert server["start"] <= sql["start"] <= sql["end"] <= server["end"]


@pytest.mark.parametrize("given", ["", "nonsense", f"00-{'0' * 32}-{'0' * 16}-01", f"00-{'z' * 32}-{'1' * 16}-01"])
def test_a_call_without_a_good_trace_begins_one(probe, edge, folder, given):
    answered = call(probe, edge, "probes/1", ("traceparent", given))
    assert len(answered) == 55
    assert answered.split("-")[1] not in (TRACE, "0" * 32)


def test_no_value_reaches_a_span(probe, edge, folder):
    call(probe, edge, NUMBER)
    found = spans(folder)
    assert any(span["name"] == "SQL SELECT" for span in found)
    assert NUMBER not in json.dumps(found)


def test_a_failed_call_is_marked(probe, edge, folder):
    with pytest.raises(Exception, match="no such probe"):
        call(probe, edge, "probes/missing")
    server = next(span for span in spans(folder) if span["name"].endswith("GetProbe"))
    assert server["status"] == "ERROR"


def test_the_file_is_set_aside_when_it_is_full(tmp_path, folder):
    file = telemetry.SpanFile(tmp_path, "small", limit=1000)
    for _ in range(20):
        with telemetry.span("work") as span:
            pass
        file.on_end(span)
        file.force_flush()
    file.shutdown()
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("small*")}
    assert sizes.get("small.jsonl", 0) <= 1000
    assert 1000 < sizes["small.1.jsonl"] < 2000


def test_a_span_that_cannot_be_written_costs_no_later_one(tmp_path, folder, caplog):
    file = telemetry.SpanFile(tmp_path, "some")
    recorder = Recorder(Resource.get_empty(), [file])
    recorder.start_span("odd", attributes={"what": object()}).end()
    eventually(lambda: "spans cannot be written" in caplog.messages)
    recorder.start_span("plain").end()
    written = tmp_path / "some.jsonl"
    eventually(lambda: written.exists() and "plain" in written.read_text())
    file.shutdown()


@pytest.mark.parametrize(("ratio", "parent", "recorded"), [("0", "", False), ("0", PARENT, True), ("1", "", True)])
def test_a_share_of_the_traces_that_begin_here_is_recorded_and_those_that_come_as_they_say(
    tmp_path, ratio, parent, recorded
):
    telemetry.start(Settings.read({"TRACE_FOLDER": str(tmp_path), "TRACE_RATIO": ratio}), "probe-serve")
    try:
        with telemetry.span_from(parent, "outer"), telemetry.span("inner"):
            carried = telemetry.current_traceparent()
        assert carried.endswith("-01" if recorded else "-00")
        with telemetry.span_from(carried, "elsewhere"):
            pass
        telemetry.flush()
        file = tmp_path / "probe-serve.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        assert [json.loads(line)["name"] for line in lines] == (["inner", "outer", "elsewhere"] if recorded else [])
    finally:
        telemetry.stop()


def test_exporters_take_the_spans(folder):
    with telemetry.span("outer") as outer, telemetry.span("inner", attributes={"rows": 3, "queue": "q"}) as inner:
        inner.set_status(StatusCode.ERROR, "ValueError")
    [resource] = encode_spans([inner.readable(), outer.readable()]).resource_spans
    [scope] = resource.scope_spans
    first, second = scope.spans
    assert (first.name, first.parent_span_id, first.trace_id) == ("inner", second.span_id, second.trace_id)
    assert {each.key: each.value.int_value or each.value.string_value for each in first.attributes} == {
        "rows": 3,
        "queue": "q",
    }
    assert (first.status.message, second.status.message) == ("ValueError", "")
    assert second.start_time_unix_nano <= first.start_time_unix_nano <= first.end_time_unix_nano


def test_what_a_span_came_to_is_not_unsaid(folder):
    with telemetry.span("work") as span:
        span.set_status(StatusCode.OK)
        span.set_status(StatusCode.ERROR, "late")
        span.set_status(StatusCode.UNSET)
    assert [found["status"] for found in spans(folder)] == ["OK"]


def test_statements_outside_of_a_trace_begin_none(probe_url, folder):
    database = Database("probe", probe_url)
    with database.write(service_caller("probe")) as session:
        session.execute(text("CREATE TEMP TABLE thing (name text)"))
        session.execute(text("INSERT INTO thing VALUES (:name)"), [{"name": "a"}, {"name": "b"}])
        write_lines(session, "thing", ["name"], ["c"])
        with telemetry.span("work"):
            session.execute(text("INSERT INTO thing VALUES (:name)"), [{"name": "d"}, {"name": "e"}])
            write_lines(session, "thing", ["name"], ["f"])
    database.dispose()
    found = spans(folder)
    assert {span["name"] for span in found} == {"work", "SQL INSERT", "SQL COPY"}
    assert len({span["trace_id"] for span in found}) == 1


def test_work_elsewhere_goes_on_the_same_trace(folder):
    with telemetry.span("here"):
        carried = telemetry.current_traceparent()
        trace = telemetry.current_trace_id()
    with telemetry.span_from(carried, "there"):
        assert telemetry.current_trace_id() == trace
    assert telemetry.current_traceparent() == ""


def test_each_call_is_one_line_with_its_trace_and_no_content(probe, edge, log_lines):
    answered = call(probe, edge, NUMBER)
    lines = [json.loads(line) for line in log_lines.getvalue().splitlines()]
    (line,) = [line for line in lines if line["logger"] == "chassis.calls"]
    assert (line["method"], line["code"]) == ("crm.probe.v1.ProbeService/GetProbe", "OK")
    assert line["subject"].startswith("users/")
    assert line["trace_id"] == answered.split("-")[1]
    assert line["ms"] > 0
    assert NUMBER not in log_lines.getvalue()


def test_values_of_rows_do_not_reach_the_log_with_an_error(probe_url, log_lines):
    database = Database("probe", probe_url)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS phone (number text PRIMARY KEY)"))
    try:
        with database.write(service_caller("probe")) as session:
            for _ in range(2):
                session.execute(text("INSERT INTO phone VALUES (:number)"), {"number": NUMBER})
    except IntegrityError:
        logging.getLogger("probe").exception("failed")
    finally:
        database.dispose()
    assert "IntegrityError: 23505" in log_lines.getvalue()
    assert NUMBER not in log_lines.getvalue()
