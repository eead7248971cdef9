"""Hearing of what was told on a channel of a database (`chassis.announcing`, NOTIFY)."""

import psycopg
from psycopg import sql

from chassis.connecting import OWN_SESSION, connect


class Hearing:
    """Listens to one channel, on a connection of its own that is opened when it is first needed, and again when it
    was lost: LISTEN does not pass through a pooler of transactions."""

    def __init__(self, database_url: str, channel: str) -> None:
        """`database_url` leads to the database directly."""
        self._database_url = database_url
        self._channel = channel
        self._connection: psycopg.Connection | None = None

    def wait(self, seconds: float) -> None:
        """Return when something was told since the last time, and after `seconds` in any case.

        Returns at once where nobody listened before: what was told until then is not known. Raises psycopg.Error if
        the database is away.
        """
        if self._connection is None:
            self._listen()
            return
        try:
            for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                pass
        except psycopg.Error:
            self.close()
            raise

    def close(self) -> None:
        """Listen no more."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _listen(self) -> None:
        name = f"hearing {self._channel}"
        connection = connect(self._database_url, autocommit=True, application_name=name, **OWN_SESSION)
        try:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        except psycopg.Error:
            connection.close()
            raise
        self._connection = connection
