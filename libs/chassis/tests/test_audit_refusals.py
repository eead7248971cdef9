"""Whoever is refused leaves a trace in the audit log, and cannot flood it."""

from collections.abc import Iterator
from uuid import uuid4

import grpc
import pytest
from chassis.audit import AuditEntry
from chassis.audit.refusals import LIMIT, WINDOW_SECONDS, RefusalLog
from chassis.callers import Reach, current_caller
from chassis.db import Database
from chassis.errors import Denied, NotFound, Unauthenticated
from chassis.status import from_rpc_error
from chassis.testing import make_caller
from chassis.testing.audit import begin_anew
from chassis.testing.edge import Edge, bearer, running
from sqlalchemy import select, text

CALLER = make_caller()
DENIED = Denied("PERMISSION_DENIED", "no", permission="thing.read")
METHOD = "crm.probe.v1.ProbeService/GetProbe"


def _create(pb, calls, request, context):
    def create(session):
        session.execute(text("INSERT INTO effect (name, subject) VALUES ('undone', '')"))
        current_caller().scope("probe.approve")
        raise AssertionError("never reached")

    return calls.write(request, pb.Probe, create)


def _download(pb, calls, request, context):
    yield pb.Probe(name="first")
    raise Denied("NOT_YOURS", "this part is not yours", permission="probe.secret")


def _open(pb, calls, request, context):
    raise Unauthenticated("BAD_CREDENTIALS", "the key does not fit")


def _get(pb, calls, request, context):
    raise NotFound("PROBE_NOT_FOUND", "there is no such probe")


@pytest.fixture(scope="module")
def edge(probe_service, probe_url) -> Iterator[Edge]:
    service = probe_service(CreateProbe=_create, DownloadProbe=_download, GetProbe=_get, OpenDoor=_open)
    with running([service], {"probe": probe_url}) as edge:
        yield edge


@pytest.fixture
def database(edge) -> Database:
    database = edge.runtimes["probe"].database
    with database.write(CALLER) as session:
        begin_anew(session)
    return database


def entries(database):
    with database.read(CALLER) as session:
        return session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()


def refuse(edge, module, token, method="GetProbe", request=None):
    call = getattr(module.pb_grpc.ProbeServiceStub(edge.channel), method)
    with pytest.raises(grpc.RpcError) as caught:
        list(call(request or module.pb.GetProbeRequest(), metadata=bearer(token)))
    return from_rpc_error(caught.value).reason


def test_a_call_without_the_permission_is_logged(edge, probe, database):
    token, key = edge.authority.token(), f"probes/{uuid4()}"
    assert refuse(edge, probe, token) == "PERMISSION_DENIED"
    stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
    trace = f"00-{'5' * 32}-{'6' * 16}-01"
    with pytest.raises(grpc.RpcError):
        stub.GetProbe(probe.pb.GetProbeRequest(name=key), metadata=(*bearer(token), ("traceparent", trace)))
    nameless, entry = entries(database)
    assert (entry.action, entry.resource, entry.trace_id) == ("access.refused", key, "5" * 32)
    assert entry.actor.startswith("users/")
    assert nameless.actor == entry.actor
    assert (nameless.resource, entry.before) == ("", None)
    assert entry.after == {"method": METHOD, "permission": "probe.read", "reason": "PERMISSION_DENIED"}


def test_what_a_use_case_refuses_is_logged_though_its_transaction_is_undone(edge, probe, database):
    token = edge.authority.token(grants={"probe.create": Reach.ALL})
    request_id, key = str(uuid4()), f"probes/{uuid4()}"
    request = probe.pb.CreateProbeRequest(request_id=request_id, probe={"name": key})
    assert refuse(edge, probe, token, "CreateProbe", request) == "PERMISSION_DENIED"
    [entry] = entries(database)
    assert (entry.request_id, entry.resource, entry.after["permission"]) == (request_id, key, "probe.approve")
    with database.read(CALLER) as session:
        assert session.scalar(text("SELECT count(*) FROM effect WHERE name = 'undone'")) == 0


def test_what_is_refused_in_the_middle_of_a_stream_is_logged(edge, probe, database):
    token = edge.authority.token(grants={"probe.read": Reach.ALL})
    assert refuse(edge, probe, token, "DownloadProbe") == "NOT_YOURS"
    assert [entry.after["reason"] for entry in entries(database)] == ["NOT_YOURS"]


def test_who_cannot_sign_in_is_logged(edge, probe, database):
    assert refuse(edge, probe, "", "OpenDoor") == "BAD_CREDENTIALS"
    [entry] = entries(database)
    assert (entry.actor, entry.after["reason"]) == ("", "BAD_CREDENTIALS")
    assert entry.after["method"] == "crm.probe.v1.ProbeService/OpenDoor"


def test_other_failures_are_not_logged(edge, probe, database):
    assert refuse(edge, probe, edge.authority.token(grants={"probe.read": Reach.ALL})) == "PROBE_NOT_FOUND"
    assert refuse(edge, probe, edge.authority.expired_token()) == "TOKEN_EXPIRED"
    assert entries(database) == []


@pytest.mark.parametrize("name", ["../../etc", "probes/x", "a\nb", "probes/" + "9" * 500])
def test_what_names_no_record_is_not_repeated(edge, probe, database, name):
    refuse(edge, probe, edge.authority.token(), request=probe.pb.GetProbeRequest(name=name))
    assert [entry.resource for entry in entries(database)] == [""]


class Ticks:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def log(database, ticks) -> RefusalLog:
    return RefusalLog(database, clock=ticks)


def test_a_flood_is_cut_off_and_its_size_told(database, log, ticks):
    for _ in range(LIMIT + 30):
        log.note(CALLER, METHOD, DENIED, None)
    assert len(entries(database)) == LIMIT
    log.tell()
    assert len(entries(database)) == LIMIT  # the minute is not over
    ticks.now += WINDOW_SECONDS
    log.tell()
    told = entries(database)[LIMIT:]
    assert [(entry.actor, entry.action) for entry in told] == [(CALLER.subject, "access.refused")]
    assert (told[0].after["method"], told[0].after["permission"], told[0].after["suppressed"]) == (
        METHOD, "thing.read", 30,
    )  # fmt: skip
    assert told[0].after["since"] <= told[0].after["until"]
    log.tell()
    assert len(entries(database)) == LIMIT + 1


def test_after_a_minute_refusals_have_entries_again(database, log, ticks):
    for _ in range(LIMIT + 1):
        log.note(CALLER, METHOD, DENIED, None)
    ticks.now += WINDOW_SECONDS
    log.note(CALLER, METHOD, DENIED, None)
    assert [entry.after.get("suppressed") for entry in entries(database)] == [None] * LIMIT + [1, None]


def test_subjects_and_methods_are_counted_apart(database, log):
    for _ in range(LIMIT + 5):
        log.note(CALLER, METHOD, DENIED, None)
    log.note(make_caller(), METHOD, DENIED, None)
    log.note(CALLER, "crm.probe.v1.ProbeService/Another", DENIED, None)
    assert len(entries(database)) == LIMIT + 2


def test_the_end_of_a_server_tells_what_is_left(database, log):
    for _ in range(LIMIT + 5):
        log.note(CALLER, METHOD, DENIED, None)
    log.tell(everything=True)
    assert entries(database)[-1].after["suppressed"] == 5


def test_what_cannot_be_written_is_told_later(database, ticks, caplog):
    log = RefusalLog(database, clock=ticks)
    with database.write(CALLER) as session:
        session.execute(text("ALTER TABLE audit_entry RENAME TO audit_entry_away"))
    try:
        for _ in range(3):
            log.note(CALLER, METHOD, DENIED, None)
        ticks.now += WINDOW_SECONDS
        log.tell()
    finally:
        with database.write(CALLER) as session:
            session.execute(text("ALTER TABLE audit_entry_away RENAME TO audit_entry"))
    assert entries(database) == []
    assert "could not be written" in caplog.text
    log.note(CALLER, METHOD, DENIED, None)
    ticks.now += WINDOW_SECONDS
    log.tell()
    assert [entry.after.get("suppressed") for entry in entries(database)] == [None, 3]
