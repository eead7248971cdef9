"""Reads: the clocks of customers and the runs."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, select, true

from customers import queries
from customers.days import today
from customers.model import Customer, RecycleExtension, RecycleRun
from customers.pools.flow import require_overview
from customers.recycling.clocks import Clocks

_CUSTOMER = Customer.__table__.c
WHOSE: tuple[ColumnElement[Any], ...] = (_CUSTOMER.id, _CUSTOMER.owner_id, _CUSTOMER.level)


def explain_recycling(session: ServiceSession, customer_id: UUID) -> tuple[Clocks, Any]:
    """The clock of a customer today, as a row; no row if nobody looks after it. Raises NotFound."""
    queries.get_customer(session, customer_id)
    clocks = Clocks(session, today(session))
    statement = clocks.select(*WHOSE, *clocks.columns()).where(_CUSTOMER.id == customer_id)
    return clocks, session.execute(statement).one_or_none()


def list_recycle_runs(session: ServiceSession, *, page_size: int, page_token: str) -> Page[RecycleRun]:
    """A page of the runs, the newest first. Raises Denied for who may not see the whole."""
    size = paging.page_size(page_size)
    require_overview(session.caller)
    key = SortKey(RecycleRun.day, descending=True, nullable=False)
    return paging.fetch_page(session, select(RecycleRun), [key], size, page_token, paging.fingerprint("recycle runs"))


MOST_DAYS = 366


def list_recycle_warnings(
    session: ServiceSession, within_days: int, *, page_size: int, page_token: str
) -> tuple[Clocks, Page[Any]]:
    """A page of the customers in the caller's reach that fall back within some days, by day, with their clocks."""
    size = paging.page_size(page_size)
    if not 1 <= within_days <= MOST_DAYS:
        raise Invalid("OUT_OF_RANGE", f"from 1 to {MOST_DAYS} days can be looked ahead", field="within_days")
    clocks = Clocks(session, today(session))
    soon = clocks.due_by(clocks.day + timedelta(days=within_days))
    due = clocks.select(*WHOSE, *clocks.columns()).where(queries.reach(session, "customer.read"), soon).subquery("due")
    keys = [SortKey(due.c.due_date, nullable=False), SortKey(due.c.id, nullable=False)]
    mark = paging.fingerprint("recycle warnings", str(within_days))
    return clocks, paging.fetch_page(session, select(*due.c), keys, size, page_token, mark)


def list_recycle_extensions(
    session: ServiceSession, state: str, *, page_size: int, page_token: str
) -> Page[RecycleExtension]:
    """A page of the requests for customers in the caller's reach, the newest first; in any state if none is given."""
    size = paging.page_size(page_size)
    reached = select(Customer.id).where(queries.reach(session, "customer.read"))
    statement = select(RecycleExtension).where(
        RecycleExtension.customer_id.in_(reached), RecycleExtension.state == state if state else true()
    )
    key = SortKey(RecycleExtension.id, descending=True, nullable=False)
    return paging.fetch_page(session, statement, [key], size, page_token, paging.fingerprint("extensions", state))
