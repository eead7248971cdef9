"""Databases and the sessions that work is done in.

Every service has its own database. A use case takes a `ServiceSession`, which knows on whose behalf and at
what time it works, and never commits: the edge that opened the session does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Engine, MetaData, create_engine
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from chassis import deadlines
from chassis.callers import Caller
from chassis.clock import Clock, system_clock
from chassis.encryption import DataKeys
from chassis.telemetry import TracedCursor

DEFAULT_ZONE = ZoneInfo("Asia/Shanghai")

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, stored and returned in UTC. A time without a zone is a programming error."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None


class ChassisTables(DeclarativeBase):
    """The tables that every service's database holds for the chassis: outbox, inbox, audit and so on."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime}


def service_base(name: str) -> type[DeclarativeBase]:
    """A declarative base for a service's own entities."""
    return type(
        name,
        (DeclarativeBase,),
        {"metadata": MetaData(naming_convention=NAMING), "type_annotation_map": {datetime: UtcDateTime}},
    )


class ServiceSession(Session):
    """A database session that knows on whose behalf and at what time it works."""

    service: str
    caller: Caller
    now: datetime
    data_keys: DataKeys
    request_id: str = ""
    database: "Database"


class Database:
    """A service's own database."""

    def __init__(
        self,
        service: str,
        url: str,
        *,
        clock: Clock = system_clock,
        pool_size: int = 8,
        statement_seconds: float = 0,
        data_keys: DataKeys | None = None,
        zone: ZoneInfo = DEFAULT_ZONE,
    ) -> None:
        """Statements that take longer than `statement_seconds` are cancelled; 0 sets no limit.

        `zone` is the organisation's until the organisation says otherwise: see `chassis.organisation`.
        """
        self.service = service
        self.clock = clock
        self.data_keys = data_keys or DataKeys()
        self.zone = zone
        # Connections rest in autocommit mode, so that a read costs its statement and nothing else.
        self.pool_engine: Engine = create_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            pool_use_lifo=True,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            hide_parameters=True,
            connect_args={
                "connect_timeout": 5,
                "cursor_factory": TracedCursor,
                "options": f"-c timezone=UTC -c statement_timeout={int(statement_seconds * 1000)}",
            },
        )
        self.engine: Engine = self.pool_engine.execution_options(isolation_level="READ COMMITTED")

    @contextmanager
    def write(self, caller: Caller, *, request_id: str = "") -> Iterator[ServiceSession]:
        """A session whose changes are committed together at the end, or not at all.

        Within a call nothing is committed after its deadline: raises DeadlineExceeded or Cancelled instead.
        """
        with self._session(self.engine, caller, request_id) as session, session.begin():
            yield session
            deadlines.check()

    @contextmanager
    def read(self, caller: Caller) -> Iterator[ServiceSession]:
        """A session for reading. Each statement sees the newest data, in one round trip."""
        with self._session(self.pool_engine, caller, "") as session:
            yield session

    @contextmanager
    def _session(self, engine: Engine, caller: Caller, request_id: str) -> Iterator[ServiceSession]:
        with ServiceSession(engine, expire_on_commit=False) as session:
            session.service, session.caller, session.request_id = self.service, caller, request_id
            session.now, session.data_keys, session.database = self.clock(), self.data_keys, self
            yield session

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()
