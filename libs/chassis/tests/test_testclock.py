"""The business time of a test installation moves for all processes at once, and nowhere else."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from chassis.callers import Reach, service_caller
from chassis.db import Database
from chassis.service import Service
from chassis.testclock import read_offset, suite_clock
from chassis.testing.edge import Edge, running
from chassis.testing.errors import error_of, refusal
from chassis.timers import Timer, TimerRun
from crm.common.v1 import test_clock_service_pb2 as pb
from crm.common.v1 import test_clock_service_pb2_grpc as pb_grpc
from psycopg.pq import TransactionStatus
from sqlalchemy import event, insert, update

CONTROL = {"test_clock.control": Reach.ALL}
NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)


def daily(service: Service) -> Service:
    timer = Timer("nightly", run=lambda session, due: None, every=timedelta(days=1))
    return Service(service.name, service.migrations, service.servicers, timers=lambda runtime: (timer,))


@pytest.fixture
def edges(probe_service, make_database) -> Iterator[Edge]:
    """A server of two services with a database each."""
    other = Service("other", probe_service().migrations, lambda runtime: ())
    urls = {"probe": make_database("probe"), "other": make_database("other")}
    with running([probe_service(), other], urls, environment={"TEST_CLOCK": "1"}) as edge:
        yield edge


def move(edge: Edge, timeout: float = 60, **how) -> datetime:
    request = pb.MoveTestClockRequest()
    if "to" in how:
        request.set_time.FromDatetime(how["to"])
    elif "by" in how:
        request.advance.FromTimedelta(how["by"])
    elif "reset" in how:
        request.reset = True
    stub = pb_grpc.TestClockServiceStub(edge.channel)
    answer = stub.MoveTestClock(request, metadata=edge.metadata_for(grants=CONTROL), timeout=timeout)
    return answer.now.ToDatetime(UTC)


def test_the_time_is_set_and_goes_on_from_there(edges):
    assert move(edges, to=NOON) == NOON
    now = pb_grpc.TestClockServiceStub(edges.channel).GetTestClock(
        pb.GetTestClockRequest(), metadata=edges.metadata_for(grants=CONTROL)
    )
    assert NOON < now.now.ToDatetime(UTC) < NOON + timedelta(seconds=30)
    for runtime in edges.runtimes.values():
        with runtime.database.write(service_caller("probe")) as session:
            assert NOON < session.now < NOON + timedelta(seconds=30)


def test_all_databases_move_by_the_same(edges):
    move(edges, to=NOON)
    move(edges, by=timedelta(hours=5))
    first, second = (read_offset(runtime.database) for runtime in edges.runtimes.values())
    assert first == second


def test_another_process_sees_the_move_at_once(edges):
    database = Database("probe", edges.runtimes["probe"].settings.database_url("probe"))
    try:
        clock = suite_clock(database)
        assert abs(clock() - datetime.now(UTC)) < timedelta(seconds=30)
        move(edges, to=NOON)
        assert timedelta() < clock() - NOON < timedelta(seconds=30)
        move(edges, reset=True)
        assert abs(clock() - datetime.now(UTC)) < timedelta(seconds=30)
    finally:
        database.dispose()


def test_to_know_the_time_begins_no_transaction(edges):
    database, left = edges.runtimes["probe"].database, []

    def note(connection, *_) -> None:
        left.append(connection.connection.driver_connection.info.transaction_status)

    event.listen(database.pool_engine, "after_cursor_execute", note)
    database.clock()
    assert left == [TransactionStatus.IDLE]


def test_bad_moves_are_refused_and_change_nothing(edges):
    assert refusal(error_of(move, edges, by=timedelta(seconds=-1))) == ("INVALID_ARGUMENT", "NEGATIVE_ADVANCE")
    assert refusal(error_of(move, edges)) == ("INVALID_ARGUMENT", "MISSING_MOVE")
    assert read_offset(edges.runtimes["probe"].database) == timedelta()


def test_nobody_moves_the_time_without_the_setting_or_the_permission(probe_service, make_database):
    with running([probe_service()], {"probe": make_database("probe")}) as edge:
        assert refusal(error_of(move, edge, to=NOON)) == ("FAILED_PRECONDITION", "TEST_CLOCK_DISABLED")
        stub = pb_grpc.TestClockServiceStub(edge.channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.MoveTestClock(pb.MoveTestClockRequest(), metadata=edge.metadata_for())
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        with edge.runtimes["probe"].database.write(service_caller("probe")) as session:
            assert abs(session.now - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_move_waits_for_the_timers(probe_service, make_database):
    with running([daily(probe_service())], {"probe": make_database("probe")}, environment={"TEST_CLOCK": "1"}) as edge:
        error = error_of(move, edge, to=NOON, timeout=1)
        # The client may give up first.
        assert error.code().name == "DEADLINE_EXCEEDED" or refusal(error) == ("UNAVAILABLE", "TIMERS_BEHIND")
        database = edge.runtimes["probe"].database
        with database.engine.begin() as connection:
            connection.execute(insert(TimerRun).values(name="nightly", last_due=NOON, checked_until=NOON))
        moved: list[datetime] = []
        later = NOON + timedelta(days=3)
        mover = threading.Thread(target=lambda: moved.append(move(edge, to=later)))
        mover.start()
        mover.join(0.5)
        assert not moved
        with database.engine.begin() as connection:
            connection.execute(update(TimerRun).values(checked_until=later + timedelta(seconds=1)))
        mover.join(60)
        assert moved == [later]
