"""A standby of a service's database, for what reads much.

What a standby shows may be behind what was committed. So the database is asked how far its log is, and the standby is
read once it has replayed it up to there: a reader sees all that was committed before it began to read, on the standby
as on the database itself. One that is away, or does not catch up soon, is left alone for a while.
"""

import logging
import time
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chassis.connecting import make_engine

PATIENCE_SECONDS = 2.0
"""How long a standby may take to catch up."""
REST_SECONDS = 10.0
"""How long one that did not is left alone."""
LOOK_SECONDS = 0.005

# Nobody sees a commit before it is on disk, unless commits do not wait for that.
_POSITION = text("""
    SELECT system_identifier AS cluster, CAST(CASE current_setting('synchronous_commit')
      WHEN 'off' THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn() END AS text) AS position
    FROM pg_control_system()
""")
_REPLAYED = text("""
    SELECT pg_is_in_recovery() AND system_identifier = :cluster AS standby,
      pg_last_wal_replay_lsn() >= CAST(:position AS pg_lsn) AS reached
    FROM pg_control_system()
""")

log = logging.getLogger(__name__)


class Standby:
    """Standbys of a database, as far as their URL leads to several."""

    def __init__(self, url: str, connect_options: dict[str, Any]) -> None:
        """`url` is as `chassis.connecting` reads it, `connect_options` how its connections are opened."""
        self._engine = make_engine(
            url,
            connect_options=connect_options,
            pool_size=2,
            pool_timeout=PATIENCE_SECONDS,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            hide_parameters=True,
        )
        self._rests_until = 0.0

    def caught_up(self, database: Engine) -> Connection | None:
        """A connection to a standby that has all that is committed in the database by now, to be closed by the caller;
        None if there is none. Each of its statements sees the newest data that the standby has."""
        if time.monotonic() < self._rests_until:
            return None
        with database.connect() as connection:
            wanted = connection.execute(_POSITION).one()._asdict()
        problem, connected = "is behind", None
        try:
            connected = self._engine.connect()
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                replayed = connected.execute(_REPLAYED, wanted).one()
                if not replayed.standby:
                    problem = "is none of this database"
                    break
                if replayed.reached:
                    return connected
                if time.monotonic() >= deadline:
                    break
                time.sleep(LOOK_SECONDS)
        except (DBAPIError, PoolTimeout) as fault:
            problem = f"does not answer: {type(fault).__name__}"
        if connected is not None:
            connected.close()
        log.warning("the standby is not read for now", extra={"problem": problem})
        self._rests_until = time.monotonic() + REST_SECONDS
        return None

    def dispose(self) -> None:
        """Close all connections."""
        self._engine.dispose()
