"""Databases and the sessions that work is done in.

Every service has its own database. A use case takes a `ServiceSession`, which knows on whose behalf and at
what time it works, and never commits: the edge that opened the session does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, DateTime, Engine, MetaData
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction
from sqlalchemy.types import TypeDecorator

from chassis import deadlines, written
from chassis.announcing import Announcer
from chassis.callers import Caller
from chassis.clock import Clock, system_clock
from chassis.connecting import POOLED_OPTIONS, make_engine, session_options
from chassis.encryption import DataKeys
from chassis.standby import Standby
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
    announced: set[str]
    """The channels to notify once the transaction is committed."""
    _opened: tuple[SessionTransaction, Connection] | None = None

    def announce(self, channel: str) -> None:
        """Notify a channel once the transaction is committed: see `chassis.announcing`."""
        self.database.announcer.ready()
        self.announced.add(channel)

    def opened(self) -> Connection:
        """The connection of the transaction under way, like `connection`, which takes its time to find it each time.

        Of each savepoint it is asked anew, as it is the first use that sets the savepoint.
        """
        now = self.get_nested_transaction() or self.get_transaction()
        if now is None or self._opened is None or self._opened[0] is not now:
            connection = self.connection()
            now = self.get_nested_transaction() or self.get_transaction()
            assert now is not None
            self._opened = now, connection
        return self._opened[1]


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
        pooled: bool = False,
        standby_url: str = "",
    ) -> None:
        """`url` is as `chassis.connecting` reads it. Statements that take longer than `statement_seconds` are
        cancelled; 0 sets no limit. If `pooled`, the URL is that of a pooler of transactions, and the limit what
        `migrate` has made the role's default. `standby_url`: see `read_much`.

        `zone` is the organisation's until the organisation says otherwise: see `chassis.organisation`.
        """
        self.service = service
        self.clock = clock
        self.data_keys = data_keys or DataKeys()
        self.zone = zone
        # Connections rest in autocommit mode, so that a read costs its statement and nothing else.
        session = POOLED_OPTIONS if pooled else session_options(statement_seconds)
        options = {"cursor_factory": TracedCursor, **session}
        self.pool_engine: Engine = make_engine(
            url,
            connect_options=options,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=5,
            pool_use_lifo=True,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            hide_parameters=True,
        )
        written.watch(self.pool_engine)
        self.announcer = Announcer(self.pool_engine)
        self.engine: Engine = self.pool_engine.execution_options(isolation_level="READ COMMITTED")
        self._standby = Standby(standby_url, options) if standby_url else None

    @contextmanager
    def write(self, caller: Caller, *, request_id: str = "") -> Iterator[ServiceSession]:
        """A session whose changes are committed together at the end, or not at all.

        Within a call nothing is committed after its deadline: raises DeadlineExceeded or Cancelled instead.
        """
        with self._session(self.engine, caller, request_id) as session:
            with session.begin():
                yield session
                deadlines.check()
            if session.announced:
                self.announcer.tell(session.announced)

    def read(self, caller: Caller) -> ServiceSession:
        """A session for reading, to be closed at the end of a `with`. Each statement sees the newest data, in one round
        trip."""
        return self._session(self.pool_engine, caller, "")

    @contextmanager
    def read_much(self, caller: Caller) -> Iterator[ServiceSession]:
        """A session for reading on the same terms, which is the standby's if there is one that has caught up.

        For what goes through many records in pages. The standby cancels a statement that takes long while it has to
        apply what vacuum removed: SQLAlchemy's OperationalError, as for a database that is away.
        """
        connection = self._standby.caught_up(self.pool_engine) if self._standby else None
        if connection is None:
            with self.read(caller) as session:
                yield session
            return
        with connection, self._session(connection, caller, "") as session, session.begin():
            yield session

    def _session(self, bind: Engine | Connection, caller: Caller, request_id: str) -> ServiceSession:
        session = ServiceSession(bind, expire_on_commit=False)
        session.service, session.caller, session.request_id = self.service, caller, request_id
        session.now, session.data_keys, session.database = self.clock(), self.data_keys, self
        session.announced = set()
        return session

    def dispose(self) -> None:
        """Close all connections."""
        self.announcer.close()
        self.engine.dispose()
        if self._standby is not None:
            self._standby.dispose()
