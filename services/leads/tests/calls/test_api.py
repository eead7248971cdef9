"""Calls as clients and the telephone system meet them, over gRPC, with a telephone system beside it."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import grpc
import orjson
import pytest
from chassis.callers import Reach
from chassis.names import new_id
from chassis.status import from_rpc_error
from chassis.testing.edge import running
from crm.leads.v1 import call_pb2, call_service_pb2, call_service_pb2_grpc
from leads.calls.dialling import signature
from leads.main import SERVICE

SECRET = "a-secret-of-the-telephones"
USER = new_id()
GRANTS = dict.fromkeys(("call.create", "call.read"), Reach.SELF)


@pytest.fixture(scope="module")
def telephones():
    """A telephone system that answers with the statuses it is told to, the last one again and again."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server.asked.append(orjson.loads(self.rfile.read(int(self.headers["content-length"])))["reference"])
            status = server.statuses.pop(0) if len(server.statuses) > 1 else server.statuses[0]
            answer = orjson.dumps({"id": f"p{len(server.asked)}"})
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def edge(make_database, telephones, tmp_path_factory):
    environment = {
        "CUSTOMERS_TARGET": "127.0.0.1:9",
        "DIALLER_URL": f"http://127.0.0.1:{telephones.server_port}/",
        "DIALLER_SECRET": SECRET,
        "OBJECT_STORE": tmp_path_factory.mktemp("objects").as_uri(),
    }
    url = make_database("leads", SERVICE.migrations)
    with running([SERVICE], {"leads": url}, environment=environment) as edge:
        yield edge


@pytest.fixture
def call(edge):
    stub = call_service_pb2_grpc.CallServiceStub(edge.channel)
    metadata = edge.metadata_for(USER, "r/", GRANTS)
    return lambda method, request: getattr(stub, method)(request, metadata=metadata, timeout=30)


def refusal(call, *arguments):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments)
    return from_rpc_error(caught.value).reason


def event(**values):
    body, timestamp = orjson.dumps({"time": "2026-03-02T04:00:00Z", **values}), str(int(time.time()))
    signed = signature(SECRET, timestamp, body)
    return call_service_pb2.ReceiveCallEventRequest(body=body, timestamp=timestamp, signature=signed)


def test_a_telephone_system_that_was_away_is_asked_again_for_the_same_call(call, telephones):
    telephones.asked, telephones.statuses = [], [503, 200]
    request = call_service_pb2.DialRequest(phone="13800138000", request_id=str(uuid4()))
    assert refusal(call, "Dial", request) == "DIALLER_UNAVAILABLE"
    dialled = call("Dial", request)
    assert (dialled.state, dialled.provider_call_id) == (call_pb2.CALL_STATE_REQUESTED, "p2")
    assert call("Dial", request) == dialled
    assert telephones.asked == [dialled.name] * 2
    call("ReceiveCallEvent", event(id="p2", state="ENDED", durationSeconds=5, reference=dialled.name))
    ended = call("GetCall", call_service_pb2.GetCallRequest(name=dialled.name))
    assert (ended.state, ended.duration_seconds) == (call_pb2.CALL_STATE_ENDED, 5)


def test_a_call_that_is_refused_has_failed(call, telephones):
    telephones.asked, telephones.statuses = [], [403]
    request = call_service_pb2.DialRequest(phone="13800138000", request_id=str(uuid4()))
    assert refusal(call, "Dial", request) == "DIALLER_REFUSED"
    again = call("Dial", request)
    assert (again.state, again.failure_reason) == (call_pb2.CALL_STATE_FAILED, "DIALLER_REFUSED")
    assert len(telephones.asked) == 1


def test_what_nobody_signed_is_not_believed(call):
    told = event(id="p9", state="RINGING", direction="INBOUND", phone="13800138000")
    told.signature = told.signature[:-1] + ("0" if told.signature[-1] != "0" else "1")
    assert refusal(call, "ReceiveCallEvent", told) == "INVALID_SIGNATURE"
    assert refusal(call, "ReceiveCallEvent", event(id="p9", state="HELD")) == "INVALID_CALL_EVENT"
    assert not call("ListCalls", call_service_pb2.ListCallsRequest(page_size=200)).calls[2:]


def test_the_rules_begin_with_outcomes_in_chinese(call):
    rules = call("GetCallRules", call_service_pb2.GetCallRulesRequest())
    assert "有意向" in [each.display_name for each in rules.outcomes]
    assert refusal(call, "UpdateCallRules", call_service_pb2.UpdateCallRulesRequest(rules=rules)) == "PERMISSION_DENIED"
