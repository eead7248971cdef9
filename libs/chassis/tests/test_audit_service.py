"""The audit log as its readers see it: searched, paged and verified over gRPC."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from chassis import audit
from chassis.audit import Change, servicer
from chassis.callers import Reach
from chassis.clock import FixedClock
from chassis.field_rules import FieldEffect
from chassis.service import Service
from chassis.status import from_rpc_error
from chassis.testing import eventually, make_caller
from chassis.testing.audit import begin_anew
from chassis.testing.edge import Edge, running
from chassis.testing.errors import error_of, refusal
from crm.common.v1 import audit_service_pb2 as pb
from crm.common.v1 import audit_service_pb2_grpc as pb_grpc
from sqlalchemy import text

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ALL = {"audit.read": Reach.ALL, "audit.verify": Reach.ALL}
WANG, LI = make_caller(), make_caller()


@pytest.fixture(scope="module")
def edge(probe_service, make_database) -> Iterator[Edge]:
    """A server of two services with a log each."""
    other = Service("other", probe_service().migrations, lambda runtime: ())
    urls = {"probe": make_database("probe"), "other": make_database("other")}
    with running([probe_service(), other], urls) as edge:
        for runtime in edge.runtimes.values():
            runtime.database.clock = FixedClock(NOON)
        yield edge


@pytest.fixture(autouse=True)
def empty(edge):
    for runtime in edge.runtimes.values():
        runtime.database.clock.now = NOON
        with runtime.database.write(WANG) as session:
            begin_anew(session)


def log(edge, *changes, caller=WANG, service="probe", minutes=0, request_id=""):
    database = edge.runtimes[service].database
    database.clock.now = NOON + timedelta(minutes=minutes)
    with database.write(caller, request_id=request_id) as session:
        audit.record_all(session, changes)


def change(action="thing.update", resource="things/1", before=None, after=None):
    return Change(action, resource, before, after)


def stub(edge):
    return pb_grpc.AuditServiceStub(edge.channel)


def entries(edge, service="probe", size=0, token="", grants=ALL, **filters):
    request = pb.ListAuditEntriesRequest(service=service, page_size=size, page_token=token)
    for key, value in filters.items():
        if isinstance(value, datetime):
            getattr(request.filter, key).FromDatetime(value)
        else:
            setattr(request.filter, key, value)
    return stub(edge).ListAuditEntries(request, metadata=edge.metadata_for(grants=grants))


def numbers(page):
    return [int(entry.name.rpartition(".")[2]) for entry in page.entries]


def check(edge, service="probe", token="", grants=ALL, timeout=20):
    request = pb.VerifyAuditRequest(service=service, page_token=token)
    return stub(edge).VerifyAudit(request, metadata=edge.metadata_for(grants=grants), timeout=timeout)


def test_an_entry_tells_who_did_what_and_what_changed(edge):
    before, after = {"name": "甲", "level": "A", "n": 2**60}, {"name": "乙", "level": "A", "n": 2**60, "tags": ["x"]}
    log(edge, change("thing.update", "things/7", before, after), request_id="r1", minutes=1)
    [entry] = entries(edge).entries
    assert entry.name == "auditEntries/probe.1"
    assert (entry.service, entry.actor, entry.action, entry.resource) == (
        "probe", WANG.subject, "thing.update", "things/7",
    )  # fmt: skip
    assert (entry.request_id, entry.time.ToDatetime(UTC)) == ("r1", NOON + timedelta(minutes=1))
    assert dict(entry.before) == {"name": "甲", "level": "A", "n": str(2**60)}
    assert (entry.after["name"], list(entry.after["tags"])) == ("乙", ["x"])
    assert list(entry.changed_fields) == ["name", "tags"]


def test_fields_that_are_kept_from_the_reader_are_concealed(edge):
    before = {"phones": ["+8613812341234"], "remark": "底价", "level": "A"}
    log(edge, change("customer.update", "customers/1", before, {**before, "phones": [], "remark": "高价"}))
    rules = {"customer": {"phones": FieldEffect.MASK, "remark": FieldEffect.HIDE}}
    request = pb.ListAuditEntriesRequest(service="probe")
    answer = stub(edge).ListAuditEntries(request, metadata=edge.metadata_for(grants=ALL, field_rules=rules))
    [entry] = answer.entries
    assert (list(entry.before["phones"]), list(entry.after["phones"])) == (["138****1234"], [])
    assert {*entry.before, *entry.after} == {"phones", "level"}
    assert list(entry.changed_fields) == ["phones", "remark"]
    assert entries(edge).entries[0].before["remark"] == "底价"


def test_a_new_record_has_no_before_and_one_that_is_gone_no_after(edge):
    log(edge, change("thing.create", after={"n": 1}), change("thing.delete", before={"n": 1}), change("thing.look"))
    look, delete, create = entries(edge).entries
    assert [e.HasField("before") for e in (create, delete, look)] == [False, True, False]
    assert [e.HasField("after") for e in (create, delete, look)] == [True, False, False]
    assert [list(e.changed_fields) for e in (create, delete, look)] == [["n"], ["n"], []]


def test_an_erased_entry_shows_that_it_was_there(edge):
    log(edge, change(before={"phone": "1"}, after={"phone": "2"}))
    with edge.runtimes["probe"].database.write(LI) as session:
        audit.erase(session, [1], "request 17")
    record, entry = entries(edge).entries
    assert (entry.erased, entry.HasField("before"), entry.HasField("after"), entry.changed_fields) == (
        True, False, False, [],
    )  # fmt: skip
    assert (record.action, record.actor, record.erased) == ("audit.erase", LI.subject, False)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"actor": LI.subject}, [4]),
        ({"resource": "things/2"}, [6, 3]),
        ({"action": "thing.create"}, [1]),
        ({"action": "thing."}, [6, 3, 1]),
        ({"action": "thing_"}, []),
        ({"request_id": "r2"}, [5, 4]),
        ({"trace_id": "f" * 32}, []),
        ({"start_time": NOON + timedelta(minutes=2)}, [6, 5, 4]),
        ({"end_time": NOON + timedelta(minutes=2)}, [3, 2, 1]),
        ({"start_time": NOON + timedelta(minutes=1), "end_time": NOON + timedelta(minutes=3)}, [5, 4, 3]),
        ({"resource": "things/2", "action": "thing.delete", "actor": WANG.subject}, [6]),
    ],
)
def test_entries_are_found_by_each_filter(edge, filters, found):
    log(edge, change("thing.create"), change("user.login", "users/1"))
    log(edge, change("thing.update", "things/2"), minutes=1)
    log(edge, change("user.login", "users/2"), caller=LI, minutes=2, request_id="r2")
    log(edge, change("export.run", "jobs/2"), minutes=2, request_id="r2")
    log(edge, change("thing.delete", "things/2"), minutes=3)
    assert numbers(entries(edge, **filters)) == found


def test_pages_are_stable_while_entries_arrive(edge):
    log(edge, *[change(resource=f"things/{n}") for n in range(7)])
    first = entries(edge, size=3)
    log(edge, *[change(resource="things/new") for _ in range(4)])
    log(edge, change(resource="things/newer"), minutes=1)
    second = entries(edge, size=3, token=first.next_page_token)
    third = entries(edge, size=3, token=second.next_page_token)
    assert [numbers(page) for page in (first, second, third)] == [[7, 6, 5], [4, 3, 2], [1]]
    assert third.next_page_token == ""
    assert numbers(entries(edge, size=3, token=first.start_token)) == [7, 6, 5]
    assert numbers(entries(edge, size=2, token=first.entries[1].page_token)) == [5, 4]


def test_a_token_of_another_search_is_refused(edge):
    log(edge, *[change() for _ in range(3)])
    token = entries(edge, size=1, resource="things/1").next_page_token
    refused = ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
    assert refusal(error_of(entries, edge, size=1, resource="things/2", token=token)) == refused
    assert refusal(error_of(entries, edge, token="nonsense")) == refused
    assert refusal(error_of(entries, edge, size=201)) == ("INVALID_ARGUMENT", "PAGE_SIZE_OUT_OF_RANGE")


def test_each_service_shows_its_own_log(edge):
    log(edge, change(), service="other")
    assert [len(entries(edge, service=service).entries) for service in ("probe", "other")] == [0, 1]
    for name in ("", "nobody"):
        assert refusal(error_of(entries, edge, service=name)) == ("INVALID_ARGUMENT", "UNKNOWN_SERVICE")
        assert refusal(error_of(check, edge, service=name)) == ("INVALID_ARGUMENT", "UNKNOWN_SERVICE")


@pytest.mark.parametrize("reach", [Reach.SELF, Reach.DEPARTMENT, Reach.DEPARTMENT_TREE, Reach.CUSTOM])
def test_whoever_does_not_see_everything_sees_nothing(edge, reach):
    narrow = {"audit.read": reach, "audit.verify": reach}
    for call in (entries, check):
        assert refusal(error_of(call, edge, grants=narrow)) == ("PERMISSION_DENIED", "SCOPE_TOO_NARROW")


def test_bad_filters_are_refused(edge):
    request = pb.ListAuditEntriesRequest(service="probe")
    request.filter.start_time.seconds = 2**60
    metadata = edge.metadata_for(grants=ALL)
    with pytest.raises(grpc.RpcError) as caught:
        stub(edge).ListAuditEntries(request, metadata=metadata)
    assert from_rpc_error(caught.value).reason == "INVALID_TIME"
    assert refusal(error_of(entries, edge, action="a\0")) == ("INVALID_ARGUMENT", "INVALID_TEXT")


def seal(edge):
    database = edge.runtimes["probe"].database

    def final():
        with database.read(WANG) as session:
            late = "SELECT count(*) FROM audit_entry WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())"
            return not session.scalar(text(late))

    eventually(final, 180)
    with database.write(WANG) as session:
        return audit.seal(session)


def test_a_whole_log_verifies_with_its_numbers(edge):
    log(edge, *[change(before={"n": 1}) for _ in range(5)])
    assert seal(edge) == 5
    with edge.runtimes["probe"].database.write(LI) as session:
        audit.erase(session, [1, 2], "request 17")
    answer = check(edge)
    assert answer.complete
    assert not answer.HasField("broken")
    assert (answer.service, answer.entry_count, answer.erased_count, answer.block_count) == ("probe", 6, 2, 1)
    assert (answer.unsealed_count, answer.head_block, len(answer.head_hash)) == (1, 1, 64)


def test_the_first_broken_link_is_named(edge):
    log(edge, *[change(before={"n": 1}) for _ in range(5)])
    seal(edge)
    with edge.runtimes["probe"].database.write(LI) as session:
        session.execute(text("DELETE FROM audit_entry WHERE id = 4"))
    answer = check(edge)
    assert answer.complete
    assert (pb.BrokenAuditLinkKind.Name(answer.broken.kind), answer.broken.block, answer.broken.entry) == (
        "BROKEN_AUDIT_LINK_KIND_MISSING", 1, 4,
    )  # fmt: skip
    assert answer.broken.entry_name == "auditEntries/probe.4"


def test_a_check_without_much_time_goes_on_in_the_next_call(edge, monkeypatch):
    monkeypatch.setattr(servicer, "_MARGIN_SECONDS", 100.0)  # more than calls have here: one block each
    log(edge, *[change(before={"n": 1}) for _ in range(2500)])
    seal(edge)
    token, seen = "", []
    while True:
        answer = check(edge, token=token)
        seen.append(answer.entry_count)
        token = answer.next_page_token
        if answer.complete:
            break
    assert seen == [1000, 2000, 2500, 2500]
    assert not answer.HasField("broken")


@pytest.mark.parametrize("token", ["x", "00", b"[1,2]".hex(), b'[1,"zz",0,0,"0",0,0,0]'.hex(), b'{"a":1}'.hex()])
def test_a_made_up_token_is_refused(edge, token):
    assert refusal(error_of(check, edge, token=token)) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
