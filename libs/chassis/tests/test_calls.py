"""A write with a request id takes effect once, also when it is sent again, or twice at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import grpc
import pytest
from chassis import idempotency
from chassis.callers import Reach, service_caller
from chassis.calls import Calls
from chassis.prepared import Prepared
from chassis.testing.edge import Edge, running
from sqlalchemy import text

CREATE = {"probe.create": Reach.ALL}


@pytest.fixture(scope="module")
def edge(probe_service, probe_url) -> Iterator[Edge]:
    with running([probe_service()], {"probe": probe_url}) as running_edge:
        yield running_edge


@pytest.fixture(scope="module")
def stub(probe, edge):
    return probe.pb_grpc.ProbeServiceStub(edge.channel)


@pytest.fixture
def request_for(probe):
    def make(name: str, request_id: str, secret: str = ""):
        return probe.pb.CreateProbeRequest(probe=probe.pb.Probe(name=name), request_id=request_id, secret=secret)

    return make


def effects(edge: Edge, name: str) -> int:
    with edge.runtimes["probe"].database.engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM effect WHERE name = :name"), {"name": name})


def reason(error: grpc.RpcError) -> str:
    from chassis.status import from_rpc_error

    return from_rpc_error(error).reason


def test_a_retry_gets_the_first_answer(edge, stub, request_for):
    request, metadata = request_for("again", str(uuid4())), edge.metadata_for(grants=CREATE)
    first, second = (stub.CreateProbe(request, metadata=metadata) for _ in range(2))
    assert (first.name, first.text) == (second.name, second.text) == ("again", "1")
    assert effects(edge, "again") == 1


def test_retries_at_the_same_time_take_effect_once(edge, stub, request_for):
    request, metadata = request_for("at-once", str(uuid4())), edge.metadata_for(grants=CREATE)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: stub.CreateProbe(request, metadata=metadata).text, range(8)))
    assert answers == ["1"] * 8
    assert effects(edge, "at-once") == 1


def test_without_a_request_id_each_call_counts(edge, stub, request_for):
    metadata = edge.metadata_for(grants=CREATE)
    for _ in range(2):
        stub.CreateProbe(request_for("twice", ""), metadata=metadata)
    assert effects(edge, "twice") == 2


def test_a_different_request_with_the_same_id_is_refused(edge, stub, request_for):
    key, metadata = str(uuid4()), edge.metadata_for(grants=CREATE)
    stub.CreateProbe(request_for("one", key), metadata=metadata)
    with pytest.raises(grpc.RpcError) as caught:
        stub.CreateProbe(request_for("other", key), metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason(caught.value) == "REQUEST_ID_REUSED"
    assert effects(edge, "other") == 0


def test_request_ids_of_others_do_not_clash(edge, stub, request_for):
    key = str(uuid4())
    for _ in range(2):
        stub.CreateProbe(request_for("shared", key), metadata=edge.metadata_for(grants=CREATE))
    assert effects(edge, "shared") == 2


def test_what_is_no_uuid_is_refused(edge, stub, request_for):
    with pytest.raises(grpc.RpcError) as caught:
        stub.CreateProbe(request_for("bad", "first"), metadata=edge.metadata_for(grants=CREATE))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(caught.value) == "INVALID_REQUEST_ID"


def test_secrets_are_given_once_and_kept_nowhere(edge, stub, request_for):
    key, metadata = str(uuid4()), edge.metadata_for(grants=CREATE)
    assert stub.CreateProbe(request_for("safe", key, "pw-1"), metadata=metadata).secret == "s3cret"
    again = stub.CreateProbe(request_for("safe", key, "pw-2"), metadata=metadata)
    assert (again.name, again.secret) == ("safe", "")
    with edge.runtimes["probe"].database.engine.connect() as connection:
        kept = connection.scalar(
            text("SELECT response FROM idempotency_claim WHERE request_id = CAST(:key AS uuid)"), {"key": key}
        )
    assert b"s3cret" not in bytes(kept)


def test_what_failed_may_be_tried_again_with_the_same_id(probe, probe_service, probe_url, request_for):
    fails = [True]

    def sometimes(pb, calls, request, context):
        def create(session):
            session.execute(text("INSERT INTO effect (name) VALUES ('retried')"))
            if fails:
                fails.pop()
                raise ZeroDivisionError
            return pb.Probe(name="done")

        return calls.write(request, pb.Probe, create, unaudited="a probe")

    with running([probe_service(CreateProbe=sometimes)], {"probe": probe_url}) as edge:
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        request, metadata = request_for("retried", str(uuid4())), edge.metadata_for(grants=CREATE)
        with pytest.raises(grpc.RpcError):
            stub.CreateProbe(request, metadata=metadata)
        assert stub.CreateProbe(request, metadata=metadata).name == "done"
        assert effects(edge, "retried") == 1


def test_transactions_that_lose_against_others_run_again(probe, probe_service, probe_url, request_for):
    """Two calls lock two rows in opposite order: PostgreSQL ends one of them, and it is tried again."""
    import threading

    both = threading.Barrier(2)

    def crossing(pb, calls, request, context):
        attempts = []

        def create(session):
            attempts.append(1)
            names = ("a", "b") if request.probe.name == "ab" else ("b", "a")
            for name in names:
                session.execute(text("UPDATE lockable SET n = n + 1 WHERE name = :name"), {"name": name})
                if len(attempts) == 1 and name == names[0]:
                    both.wait(20)
            return pb.Probe(text=str(len(attempts)))

        return calls.write(request, pb.Probe, create, unaudited="a probe")

    with running([probe_service(CreateProbe=crossing)], {"probe": probe_url}) as edge:
        with edge.runtimes["probe"].database.engine.begin() as connection:
            connection.execute(text("CREATE TABLE lockable AS SELECT * FROM (VALUES ('a', 0), ('b', 0)) v (name, n)"))
        stub = probe.pb_grpc.ProbeServiceStub(edge.channel)
        metadata = edge.metadata_for(grants=CREATE)
        with ThreadPoolExecutor(2) as pool:
            answers = list(
                pool.map(lambda n: stub.CreateProbe(request_for(n, ""), metadata=metadata, timeout=20), ("ab", "ba"))
            )
        assert sorted(int(answer.text) for answer in answers) == [1, 2]
        with edge.runtimes["probe"].database.engine.connect() as connection:
            assert connection.scalar(text("SELECT min(n) FROM lockable")) == 2


@pytest.mark.parametrize("request_id", ["", "7d0a2f5e-63c1-4b0c-9a53-0c2f9d1f6b11"])
def test_what_a_call_asked_for_ahead_comes_with_its_claim(probe, edge, request_for, request_id):
    seven, asked, answered = Prepared(text("SELECT 7 AS value")), [], []
    request, database = request_for("ahead", request_id), edge.runtimes["probe"].database

    def once() -> str:
        with database.write(service_caller("probe")) as session:

            def call():
                answered.append(asked[-1].first().value)
                return probe.pb.Probe(text=str(len(answered)))

            def ahead():
                return lambda: asked.append(seven.send(session))

            return idempotency.once(session, request, request_id, probe.pb.Probe, call, ahead=ahead).text

    assert [once(), once()] == (["1", "1"] if request_id else ["1", "2"])
    assert answered == ([7] if request_id else [7, 7])
    assert len(asked) == 2


def test_old_claims_are_forgotten(edge, stub, request_for):
    key = str(uuid4())
    stub.CreateProbe(request_for("old", key), metadata=edge.metadata_for(grants=CREATE))
    database = edge.runtimes["probe"].database
    with database.write(service_caller("probe")) as session:
        assert idempotency.purge(session) == 0
        session.execute(text("UPDATE idempotency_claim SET create_time = now() - interval '8 days'"))
        assert idempotency.purge(session) > 0


def test_outside_a_call_there_is_no_caller(edge):
    with pytest.raises(LookupError), Calls(edge.runtimes["probe"].database).read():
        pass
