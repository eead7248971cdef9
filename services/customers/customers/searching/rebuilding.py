"""Bringing what customers and contacts are searched by up to date, after a release that searches by more."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.callers import service_caller
from chassis.db import Database, ServiceSession
from chassis.search import grams
from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute

from customers.model import Contact, Customer, searched_contact, searched_text

PART = 1_000
"""Records in one transaction."""
_SEARCHED: Sequence[tuple[type[Customer] | type[Contact], Any]] = (
    (Customer, searched_text),
    (Contact, searched_contact),
)


def rebuild(database: Database) -> int:
    """Write anew what records are searched by, where it differs. Returns how many differed. Can be run at any time,
    and again after it was interrupted: what is right stays."""
    changed = 0
    for entity, text_of in _SEARCHED:
        after: UUID | None = None
        while True:
            with database.write(service_caller("customers")) as session:
                after, differing = _rebuild_part(session, entity, text_of, after)
            changed += differing
            if after is None:
                break
    return changed


def _rebuild_part(session: ServiceSession, entity: Any, text_of: Any, after: UUID | None) -> tuple[UUID | None, int]:
    """Look at the records after one. Returns the last of them, None if there are none, and how many differed."""
    key: InstrumentedAttribute[UUID] = entity.id
    columns = (key, entity.display_name, entity.phones, entity.emails, entity.search_text)
    statement = select(*columns).order_by(key).limit(PART).with_for_update()
    rows = session.execute(statement.where(key > after) if after is not None else statement).all()
    right = {row.id: text_of(row.display_name, row.phones, row.emails) for row in rows}
    wrong = [row.id for row in rows if row.search_text != right[row.id]]
    if wrong:
        values = [{"id": one, "search_text": right[one], "grams": grams(right[one])} for one in wrong]
        session.execute(update(entity), values)
    return (rows[-1].id if rows else None), len(wrong)
