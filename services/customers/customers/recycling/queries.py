"""Reads: the clocks of customers and the runs."""

from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, select

from customers import queries
from customers.days import today
from customers.model import Customer, RecycleRun
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
