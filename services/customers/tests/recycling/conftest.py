"""Customers whose clocks run, and the work that is done by the clock."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from chassis.callers import service_caller
from chassis.db import Database
from chassis.jobs import run as job_process
from chassis.jobs.waiting import waiting_jobs
from chassis.testing import eventually
from customers.main import SERVICE
from customers.model import Customer
from customers.usecases.start_recycling import start_recycling
from sqlalchemy import text, update

from ..pools.conftest import Play, play  # noqa: TID252 - the fixtures of a neighbour

__all__ = ["play"]

NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
TABLES = "customer_standing, recycle_run, recycle_warning, recycle_extension, job, job_error"


class Clockwork:
    """Lets time pass and the runs with it."""

    def __init__(self, database: Database, play: Play) -> None:
        self.database, self.play = database, play

    def empty(self) -> None:
        """Forget all customers and pools, and begin at noon again."""
        with self.database.engine.begin() as connection:
            connection.execute(text("TRUNCATE customer, pool, holding_change CASCADE"))
            connection.execute(text(f"TRUNCATE {TABLES}"))
        self.database.clock.set(NOON)

    def followed(self, customer: UUID) -> None:
        """A follow-up now."""
        self.touch(customer, last_effective_follow_up_time=self.database.clock())

    def touch(self, customer: UUID, **values: Any) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(update(Customer).where(Customer.id == customer).values(**values))

    def pass_days(self, days: int) -> None:
        self.database.clock.advance(timedelta(days=days))

    def run(self, day: date | None = None) -> None:
        """The run of a day, today if not given."""
        with self.database.write(service_caller("customers")) as session:
            start_recycling(session, day or self.today())
        self.work()

    def today(self) -> date:
        return (self.database.clock() + timedelta(hours=8)).date()

    def work(self) -> None:
        """Do the jobs that wait, as the process for jobs does."""
        eventually(self._free)
        runtime: Any = SimpleNamespace(database=self.database, settings=None)
        while job_process.run_next(SERVICE, runtime):
            pass

    def _free(self) -> bool:
        with self.database.read(service_caller("customers")) as session:
            open_jobs = session.scalar(text("SELECT count(*) FROM job WHERE state IN ('QUEUED', 'RUNNING')"))
            return len(waiting_jobs(session)) == open_jobs


@pytest.fixture
def clockwork(database: Database, play: Play) -> Clockwork:
    with database.engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {TABLES}"))
    return Clockwork(database, play)


@pytest.fixture
def in_pool(play: Play) -> Callable[[UUID], UUID | None]:
    return lambda customer: play.row(customer).pool_id
