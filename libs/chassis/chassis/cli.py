"""The command line of a service, and the same commands for whoever composes several services in one process."""

from chassis import telemetry
from chassis.db import Database
from chassis.service import Runtime, Service
from chassis.settings import Settings
from chassis.testclock import suite_clock

STATEMENT_SECONDS = 30
"""The longest that a statement of a call may take."""


def make_runtime(settings: Settings, service: Service, *, statement_seconds: float = 0) -> Runtime:
    """What a process gives a service to work with. Raises Invalid, naming the variable, if a setting is missing.

    Statements are cancelled after `statement_seconds`; 0 sets no limit, as suits timers, jobs and migrations.
    """
    database = Database(
        service.name,
        settings.database_url(service.name),
        pool_size=settings.pool_size,
        statement_seconds=statement_seconds,
    )
    telemetry.trace_sql(database.engine)
    if settings.test_clock:
        database.clock = suite_clock(database.engine)
    return Runtime(settings=settings, database=database)
