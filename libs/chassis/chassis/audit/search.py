"""Finding entries: by who, what, which record, when, and on which occasion."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from chassis.audit.model import AuditEntry
from chassis.db import ServiceSession
from chassis.likes import starting_with
from chassis.paging import Page, SortKey, fetch_page, fingerprint, token_after


@dataclass(frozen=True)
class Search:
    """Which entries to find. What is empty restricts nothing."""

    actor: str = ""
    resource: str = ""
    action: str = ""
    """What the action begins with."""
    start: datetime | None = None
    end: datetime | None = None
    """Not included."""
    request_id: str = ""
    trace_id: str = ""


_KEYS = [
    SortKey(AuditEntry.__table__.c.time, descending=True, nullable=False),
    SortKey(AuditEntry.__table__.c.id, descending=True, nullable=False),
]


def find(session: ServiceSession, search: Search, size: int, token: str) -> Page[AuditEntry]:
    """A page of the entries, newest first. Raises Invalid INVALID_PAGE_TOKEN."""
    return fetch_page(session, _statement(search), _KEYS, size, token, _fingerprint(search))


def after(search: Search, entry: AuditEntry) -> str:
    """The token of what comes after an entry."""
    return token_after([entry.time, entry.id], _fingerprint(search))


def from_on(search: Search, entry: AuditEntry) -> str:
    """The token of what begins with an entry."""
    return token_after([entry.time, entry.id + 1], _fingerprint(search))


def _statement(search: Search) -> Select[AuditEntry]:
    statement = select(AuditEntry)
    if search.actor:
        statement = statement.where(AuditEntry.actor == search.actor)
    if search.resource:
        statement = statement.where(AuditEntry.resource == search.resource)
    if search.action:
        statement = statement.where(AuditEntry.action.like(starting_with(search.action)))
    if search.start is not None:
        statement = statement.where(AuditEntry.time >= search.start)
    if search.end is not None:
        statement = statement.where(AuditEntry.time < search.end)
    # The indexes leave out entries without; a condition says so too, or they would not serve.
    if search.request_id:
        statement = statement.where(AuditEntry.request_id == search.request_id, AuditEntry.request_id != "")
    if search.trace_id:
        statement = statement.where(AuditEntry.trace_id == search.trace_id, AuditEntry.trace_id != "")
    return statement


def _fingerprint(search: Search) -> str:
    times = [time.isoformat() if time else "" for time in (search.start, search.end)]
    return fingerprint(search.actor, search.resource, search.action, *times, search.request_id, search.trace_id)
