"""Removing what is kept no longer, portion by portion."""

from typing import Any

from chassis.db import ServiceSession
from sqlalchemy import ColumnElement, delete, inspect, select

MOST = 200_000
"""How many rows of a kind are removed in a day, so that one with very many holds nobody up; the rest goes the days
after."""
ROWS = 5_000


def purge(session: ServiceSession, entity: Any, condition: ColumnElement[bool]) -> None:
    """Remove the rows of an entity that fulfil a condition, which an index must serve. Its key is one column."""
    [key] = inspect(entity).primary_key
    for _ in range(MOST // ROWS):
        some = session.scalars(select(key).where(condition).limit(ROWS)).all()
        session.execute(delete(entity).where(key.in_(some)).execution_options(synchronize_session=False))
        if len(some) < ROWS:
            return
