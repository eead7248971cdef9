"""Counting what a piece of work asks of the database, so that what is done all day does not grow dear unnoticed."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread
from typing import Any
from unittest.mock import patch

from chassis.announcing import ANNOUNCER
from chassis.telemetry import TracedCursor


@contextmanager
def sent_statements() -> Iterator[list[str]]:
    """The statements that this process sends meanwhile, prepared ones included; one sent for many rows counts once.
    Beginning and ending a transaction are none, nor is what is announced of an earlier one."""
    sent: list[str] = []
    execute, execute_many = TracedCursor.execute, TracedCursor.executemany

    def append(query: Any) -> None:
        if current_thread().name != ANNOUNCER:
            sent.append(str(query))

    def note(cursor: TracedCursor, query: Any, *args: Any, **kwargs: Any) -> TracedCursor:
        append(query)
        return execute(cursor, query, *args, **kwargs)

    def note_many(cursor: TracedCursor, query: Any, *args: Any, **kwargs: Any) -> None:
        append(query)
        execute_many(cursor, query, *args, **kwargs)

    with patch.object(TracedCursor, "execute", note), patch.object(TracedCursor, "executemany", note_many):
        yield sent
