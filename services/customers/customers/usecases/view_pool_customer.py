"""Open a customer of a pool."""

from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Exhausted, NotFound
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from customers import queries
from customers.days import next_day, today
from customers.model.pools import PoolView
from customers.pools.access import OpenPool, open_pools, pool_of_member


def view_pool_customer(session: ServiceSession, customer_id: UUID) -> tuple[Any, OpenPool]:
    """A customer of a pool as a row, and the pool. It counts towards the caller's views of the day, once.

    Raises NotFound, Denied NOT_A_MEMBER, or Exhausted VIEW_LIMIT_REACHED. Administrators of the pool have no limit.
    """
    row = queries.any_customer(session, customer_id)
    if row is None or row.pool_id is None or row.pool_id not in open_pools(session, [row.pool_id]):
        raise NotFound("CUSTOMER_NOT_FOUND", "there is no such customer in a pool")
    pool = pool_of_member(session, row.pool_id)
    if session.caller.user_id is not None and pool.role is not None and not pool.administered:
        _count(session, session.caller.user_id, pool, customer_id)
    return row, pool


def _count(session: ServiceSession, user_id: UUID, pool: OpenPool, customer_id: UUID) -> None:
    key = {"user_id": user_id, "pool_id": pool.pool.id, "day": today(session)}
    session.execute(insert(PoolView).values(**key, customer_id=customer_id).on_conflict_do_nothing())
    viewed = select(func.count()).where(*[getattr(PoolView, name) == value for name, value in key.items()])
    # The view is taken back with the transaction if it is one too many.
    if (session.scalar(viewed) or 0) > pool.rules.daily_view_limit:
        raise Exhausted(
            "VIEW_LIMIT_REACHED",
            f"{pool.rules.daily_view_limit} customers of this pool were opened today, as many as its rules allow",
            retry_time=next_day(session).isoformat(),
        )
