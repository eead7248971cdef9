"""How a service that comes later learns what others have told before it listened.

Events tell of changes. A handler that keeps the state of another service's records (`Subscription.keeps_state`) needs
what was there before its queue was, too. So each service asks for it, once for every event of such a handler: when it
is installed, when a release brings a new handler or a new event, and whenever somebody runs `<service> state request`,
as after a restore. It publishes `StateRequested`; its outbox is sent only once its own queues are there.

The service that owns the records lists them as `Restatement`s and tells them again by the ordinary events with their
present versions, a page in each transaction, and asks itself for the next page. Handlers compare versions, so that what
is told again never replaces what is newer. While a page is written its rows are kept from being deleted (FOR KEY
SHARE), so that the event of a deletion always comes after.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from crm.common.v1.state_pb2 import StateRequested as StateRequestedMessage
from sqlalchemy import ColumnElement, Connection, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from chassis import outbox
from chassis.bus.handlers import SUITE, Received, Subscription, restating_queue
from chassis.db import ChassisTables, ServiceSession

PAGE = 200
"""How many records are told of in one transaction."""


class StateRequest(ChassisTables):
    """The state that an event of a handler tells of was asked for."""

    __tablename__ = "state_request"

    handler: Mapped[str] = mapped_column(primary_key=True)
    """The name of the handler's queue."""
    event: Mapped[str] = mapped_column(primary_key=True)
    request_time: Mapped[datetime]


def create_table(bind: Connection) -> None:
    """Create the table. For a revision of a service whose database is older than the table."""
    StateRequest.metadata.tables[StateRequest.__tablename__].create(bind, checkfirst=True)


@dataclass(frozen=True)
class StateRequested:
    """`crm.common.v1.StateRequested`, which any service may publish."""

    SUBJECT: ClassVar[str] = "source"
    PACKAGE: ClassVar[str] = "crm.common.v1"

    source: str
    events: Sequence[str]
    section: str = ""
    after: str = ""


@dataclass(frozen=True)
class Restatement:
    """One kind of records that a service tells again."""

    event: str
    """The short name of the event that tells of them."""
    page: Callable[[ServiceSession, str], tuple[Sequence[Any], str]]
    """The events of the records that follow one, given as this page's predecessor named it, the empty string for the
    beginning. Returns them and what the next page is to be asked for by; the empty string if there is none."""


def by_id(
    entity: Any, tell: Callable[[ServiceSession, Sequence[Any]], Sequence[Any]], *conditions: ColumnElement[bool]
) -> Callable[[ServiceSession, str], tuple[Sequence[Any], str]]:
    """The pages of an entity whose key is `id`. `tell` makes the events of some rows."""

    def page(session: ServiceSession, after: str) -> tuple[Sequence[Any], str]:
        statement = select(entity).where(*conditions).order_by(entity.id).limit(PAGE)
        if after:
            statement = statement.where(entity.id > UUID(after))
        rows = session.scalars(statement.with_for_update(read=True, key_share=True)).all()
        return tell(session, rows), str(rows[-1].id) if len(rows) == PAGE else ""

    return page


def subscription(service: str, restatements: Sequence[Restatement]) -> Subscription:
    """What a service adds to its subscriptions to tell its records again when it is asked."""

    def restate(session: ServiceSession, received: Received) -> None:
        request = received.message(StateRequestedMessage)
        if request.source == service:
            _restate(session, restatements, request)

    return Subscription(SUITE, (StateRequested.__name__,), restating_queue(service), restate)


def _restate(session: ServiceSession, restatements: Sequence[Restatement], request: StateRequestedMessage) -> None:
    wanted = [each for each in restatements if each.event in request.events]
    names = [each.event for each in wanted]
    if not wanted or (request.section and request.section not in names):
        return
    place = names.index(request.section) if request.section else 0
    events, after = wanted[place].page(session, request.after)
    outbox.emit_all(session, events)
    place += not after
    if place < len(wanted):
        outbox.emit(session, StateRequested(request.source, list(request.events), names[place], after))


def request_state(session: ServiceSession, subscriptions: Sequence[Subscription]) -> list[StateRequested]:
    """Ask for the state that these handlers keep and that was not asked for yet. Returns what was asked."""
    rows = [
        {"handler": each.queue, "event": event, "request_time": session.now}
        for each in subscriptions
        if each.keeps_state and each.source != session.service
        for event in each.events
    ]
    if not rows:
        return []
    statement = insert(StateRequest).values(rows).on_conflict_do_nothing()
    fresh = session.execute(statement.returning(StateRequest.handler, StateRequest.event)).all()
    sources = {each.queue: each.source for each in subscriptions}
    wanted: dict[str, set[str]] = {}
    for row in fresh:
        wanted.setdefault(sources[row.handler], set()).add(row.event)
    requests = [StateRequested(source, sorted(events)) for source, events in sorted(wanted.items())]
    outbox.emit_all(session, requests)
    return requests


def request_all_again(session: ServiceSession, subscriptions: Sequence[Subscription]) -> list[StateRequested]:
    """Ask for all of it, whether it was asked for before or not."""
    session.execute(delete(StateRequest))
    return request_state(session, subscriptions)
