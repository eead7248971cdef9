"""The business time of a test installation, which clients may move. Off unless `TEST_CLOCK=1`.

The time is kept as an offset to the real time, in a row of each service's own database, so that all
processes of a service see a move at once and a restart does not undo it.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from crm.common.v1 import test_clock_service_pb2 as pb
from crm.common.v1 import test_clock_service_pb2_grpc as pb_grpc
from sqlalchemy import BigInteger, CheckConstraint, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from chassis import deadlines
from chassis.callers import service_caller
from chassis.clock import Clock
from chassis.db import ChassisTables, Database
from chassis.errors import Conflict, Invalid, Unavailable
from chassis.service import Runtime, Service, Servicer
from chassis.settings import Settings
from chassis.timers import TimerRun, turn_back

CHANNEL = "test_clock"
"""The PostgreSQL channel that a move is announced on."""
_WAIT_SECONDS = 50.0
_LOOK_SECONDS = 0.02
_MICROSECOND = timedelta(microseconds=1)


class ClockOffset(ChassisTables):
    """The one row that says how far the business time is from the real time."""

    __tablename__ = "test_clock"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    offset_microseconds: Mapped[int] = mapped_column(BigInteger)


def suite_clock(database: Database) -> Clock:
    """A clock that reads the offset from a service's own database on each use, in one round trip."""
    offset = select(ClockOffset.offset_microseconds)

    def now() -> datetime:
        with database.pool_engine.connect() as connection:
            return datetime.now(UTC) + timedelta(microseconds=connection.scalar(offset) or 0)

    return now


def read_offset(database: Database) -> timedelta:
    """How far a database's business time is ahead of the real time."""
    with database.engine.connect() as connection:
        return timedelta(microseconds=connection.scalar(select(ClockOffset.offset_microseconds)) or 0)


def write_offset(database: Database, offset: timedelta, now: datetime) -> None:
    """Move a database's business time, which is `now` then, and tell who waits for the time to pass."""
    row = {"id": 1, "offset_microseconds": offset // _MICROSECOND}
    statement = insert(ClockOffset).values(**row).on_conflict_do_update(index_elements=["id"], set_=row)
    with database.write(service_caller(database.service)) as session:
        session.execute(statement)
        turn_back(session, now)
        session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


def clock_servicer(settings: Settings, hosted: Sequence[tuple[Service, Runtime]]) -> Servicer:
    """The service that moves the time of all databases that a server hosts."""
    return Servicer(
        descriptor=pb.DESCRIPTOR.services_by_name["TestClockService"],
        implementation=ClockServicer(hosted, enabled=settings.test_clock),
        register=pb_grpc.add_TestClockServiceServicer_to_server,
    )


class ClockServicer(pb_grpc.TestClockServiceServicer):
    """Moves the time of all hosted databases by one and the same offset."""

    def __init__(self, hosted: Sequence[tuple[Service, Runtime]], *, enabled: bool) -> None:
        self._enabled = enabled
        self._databases = [runtime.database for _, runtime in hosted]
        self._timers = [
            (runtime.database, [timer.name for timer in service.timers(runtime)])
            for service, runtime in hosted
            if enabled
        ]

    def GetTestClock(self, request: pb.GetTestClockRequest, context: Any) -> pb.TestClock:
        """The time for the business rules."""
        self._refuse_unless_enabled()
        return _answer(datetime.now(UTC) + self._offset())

    def MoveTestClock(self, request: pb.MoveTestClockRequest, context: Any) -> pb.TestClock:
        """Move the time and wait for the timers."""
        self._refuse_unless_enabled()
        real = datetime.now(UTC)
        offset = self._new_offset(request, real)
        for database in self._databases:
            write_offset(database, offset, real + offset)
        self._wait_for_timers(real + offset)
        return _answer(real + offset)

    def _refuse_unless_enabled(self) -> None:
        if not self._enabled:
            raise Conflict("TEST_CLOCK_DISABLED", "the time of this installation cannot be moved")

    def _offset(self) -> timedelta:
        return max(read_offset(database) for database in self._databases)

    def _new_offset(self, request: pb.MoveTestClockRequest, real: datetime) -> timedelta:
        move = request.WhichOneof("move")
        if move == "set_time":
            return request.set_time.ToDatetime(UTC) - real
        if move == "advance":
            by = _advance(request)
            return self._offset() + by
        if move == "reset":
            return timedelta()
        raise Invalid("MISSING_MOVE", "say where to move the time: set_time, advance or reset", field="move")

    def _wait_for_timers(self, until: datetime) -> None:
        deadline = time.monotonic() + deadlines.remaining(_WAIT_SECONDS)
        for database, names in self._timers:
            while behind := _behind(database, names, until):
                if time.monotonic() + _LOOK_SECONDS >= deadline:
                    raise Unavailable(
                        "TIMERS_BEHIND",
                        f"the time was moved, but timers of {database.service} lag behind: does its worker run?",
                        service=database.service,
                        timers=", ".join(behind),
                    )
                time.sleep(_LOOK_SECONDS)


def _behind(database: Database, names: Sequence[str], until: datetime) -> list[str]:
    if not names:
        return []
    statement = select(TimerRun.name).where(TimerRun.name.in_(names), TimerRun.checked_until >= until)
    with database.engine.connect() as connection:
        done = set(connection.scalars(statement))
    return [name for name in names if name not in done]


def _advance(request: pb.MoveTestClockRequest) -> timedelta:
    by = request.advance.ToTimedelta()
    if by < timedelta():
        raise Invalid("NEGATIVE_ADVANCE", "time only advances; to go back, set the time", field="advance")
    return by


def _answer(now: datetime) -> pb.TestClock:
    answer = pb.TestClock()
    answer.now.FromDatetime(now)
    return answer
