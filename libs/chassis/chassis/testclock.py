"""The business time of a test installation, which clients may move. Off unless `TEST_CLOCK=1`.

The time is kept as an offset to the real time, in a row of each service's own database, so that all
processes of a service see a move at once and a restart does not undo it.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, CheckConstraint, Engine, select
from sqlalchemy.orm import Mapped, mapped_column

from chassis.clock import Clock
from chassis.db import ChassisTables

CHANNEL = "test_clock"
"""The PostgreSQL channel that a move is announced on."""


class TestClockRow(ChassisTables):
    """The one row that says how far the business time is from the real time."""

    __tablename__ = "test_clock"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    offset_microseconds: Mapped[int] = mapped_column(BigInteger)


def suite_clock(engine: Engine) -> Clock:
    """A clock that reads the offset from a service's own database on each use."""
    reading = engine.execution_options(isolation_level="AUTOCOMMIT")
    offset = select(TestClockRow.offset_microseconds)

    def now() -> datetime:
        with reading.connect() as connection:
            return datetime.now(UTC) + timedelta(microseconds=connection.scalar(offset) or 0)

    return now
