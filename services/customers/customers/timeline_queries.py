"""Reads: what happened with a customer, as far as a caller may know. Rows are plain rows, as in `customers.queries`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.field_rules import may_read
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, literal, select, true, union_all
from sqlalchemy.dialects.postgresql import JSONB

from customers.model import Customer, TimelineEntry, TimelineKind
from customers.own_fields import ENTITY
from customers.queries import BY_OWNER, any_customer, no_customer, place_of, reach
from customers.theatres.following import live_theatres
from customers.theatres.visibility import entries_seen
from customers.timeline import EVERYTHING, Narrowing


def list_timeline(
    session: ServiceSession,
    customer_id: UUID,
    *,
    kinds: Sequence[str],
    narrowing: Narrowing = EVERYTHING,
    page_size: int,
    page_token: str,
) -> Page[Any]:
    """A page of what happened with a customer, newest first, as rows. Raises NotFound like `get_customer`."""
    _require_customer(session, customer_id)
    return timeline_of_visible(
        session, customer_id, kinds=kinds, narrowing=narrowing, page_size=page_size, page_token=page_token
    )


def timeline_of_visible(
    session: ServiceSession,
    customer_id: UUID,
    *,
    kinds: Sequence[str] = (),
    narrowing: Narrowing = EVERYTHING,
    page_size: int,
    page_token: str = "",
) -> Page[Any]:
    """The same for a customer that the caller is known to see."""
    size = paging.page_size(page_size)
    entries = union_all(stored_entries(customer_id, kinds), creation_entry(customer_id, kinds)).subquery("entry")
    keys = [SortKey(entries.c[key], descending=True, nullable=False) for key in ("occur_time", "id")]
    mark = timeline_mark(customer_id, kinds, narrowing)
    statement = select(*entries.c).where(narrowing.met(entries.c), _seen(session, customer_id, entries.c))
    return paging.fetch_page(session, statement, keys, size, page_token, mark)


def timeline_mark(customer_id: UUID, kinds: Sequence[str] = (), narrowing: Narrowing = EVERYTHING) -> str:
    """What the tokens of such a list are marked with."""
    return paging.fingerprint("timeline", str(customer_id), *kinds, narrowing.mark)


def _seen(session: ServiceSession, customer_id: UUID, columns: Any) -> ColumnElement[bool]:
    """Whether the caller sees an entry of the timeline of a customer that is visible."""
    scope, theatres = session.caller.scope("customer.read"), live_theatres(session, [customer_id])
    reached = not theatres or BY_OWNER.reaches(session, "customer.read", *place_of(any_customer(session, customer_id)))
    kept = _kept_from(session)
    readable = columns.kind.not_in(kept) if kept else true()
    return and_(readable, entries_seen(columns, theatres, scope, reached=reached))


def _kept_from(session: ServiceSession) -> list[str]:
    """The kinds of entries that tell of fields which the caller's roles hide."""
    told = {TimelineKind.TIER_CHANGED: "level", TimelineKind.LIFECYCLE_CHANGED: "lifecycle_stage"}
    return [kind.value for kind, field in told.items() if not may_read(session.caller, ENTITY, field)]


def _require_customer(session: ServiceSession, customer_id: UUID) -> None:
    statement = select(Customer.id).where(Customer.id == customer_id, reach(session, "customer.read"))
    if session.scalar(statement) is None:
        raise no_customer()


def stored_entries(customer_id: Any, kinds: Sequence[str] = ()) -> Select[Any]:
    """The entries of a customer's timeline that are rows. The id may be a parameter."""
    wanted = TimelineEntry.kind.in_(kinds) if kinds else true()
    return select(*TimelineEntry.__table__.columns).where(TimelineEntry.customer_id == customer_id, wanted)


def creation_entry(customer_id: Any, kinds: Sequence[str] = ()) -> Select[Any]:
    """The entry that every customer begins with. It is no row of its own, since there is one for each customer."""
    wanted = literal(not kinds or TimelineKind.CUSTOMER_CREATED in kinds)
    return select(
        Customer.id,
        Customer.id.label("customer_id"),
        literal(str(TimelineKind.CUSTOMER_CREATED)).label("kind"),
        literal("customers").label("source"),
        func.concat("customers/", Customer.id).label("resource"),
        Customer.creator.label("actor"),
        Customer.display_name.label("summary"),
        cast(literal("{}", Text), JSONB).label("details"),
        Customer.create_time.label("occur_time"),
    ).where(Customer.id == customer_id, wanted)
