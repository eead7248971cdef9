"""Reads: pools, their rules, their customers, and who held a customer."""

from typing import Any
from uuid import UUID

from chassis import paging, search
from chassis.db import ServiceSession
from chassis.paging import Page, SortKey
from sqlalchemy import ColumnElement, and_, func, select, true

from customers import queries
from customers.model import Customer
from customers.model.pools import HoldingChange, Pool, PoolRuleVersion
from customers.pools.access import MANAGE, OpenPool, open_pools, pool_of_member, roles_of
from customers.pools.conditions import registry_without

_IN_ORDER = SortKey(Pool.precedence, nullable=False)
_CONTACT_FIELDS = ("phones", "emails")


def list_pools(session: ServiceSession, *, page_size: int, page_token: str) -> Page[OpenPool]:
    """A page of the pools that the caller belongs to, or of all for who manages pools, by precedence."""
    size = paging.page_size(page_size)
    statement = select(Pool)
    if not session.caller.granted(MANAGE):
        statement = statement.where(Pool.id.in_(roles_of(session, session.caller).keys()))
    page = paging.fetch_page(session, statement, [_IN_ORDER], size, page_token, paging.fingerprint("pools"))
    opened = open_pools(session, [pool.id for pool in page.rows])
    return Page([opened[pool.id] for pool in page.rows], page.next_token)


def list_rule_versions(
    session: ServiceSession, pool_id: UUID, *, page_size: int, page_token: str
) -> Page[PoolRuleVersion]:
    """A page of the versions of a pool's rules, the newest first."""
    size = paging.page_size(page_size)
    pool_of_member(session, pool_id)
    statement = select(PoolRuleVersion).where(PoolRuleVersion.pool_id == pool_id)
    key = SortKey(PoolRuleVersion.number, descending=True, nullable=False)
    mark = paging.fingerprint("pool rules", str(pool_id))
    return paging.fetch_page(session, statement, [key], size, page_token, mark)


def list_pool_customers(
    session: ServiceSession, pool_id: UUID, *, conditions: Any, query: str, page_size: int, page_token: str
) -> tuple[OpenPool, Page[Any]]:
    """A page of the customers of a pool, those that entered first first, as rows."""
    size = paging.page_size(page_size)
    pool = pool_of_member(session, pool_id)
    statement = queries.CUSTOMERS.where(listed_in_pool(session, pool, conditions, query))
    keys = [SortKey(Customer.pool_entry_time, nullable=False), SortKey(Customer.id, nullable=False)]
    mark = paging.fingerprint("pool customers", str(pool_id), conditions, query)
    return pool, paging.fetch_page(session, statement, keys, size, page_token, mark)


def count_pool_customers(session: ServiceSession, pool_id: UUID, *, conditions: Any, query: str) -> int:
    """How many customers of a pool a list shows over all pages."""
    pool = pool_of_member(session, pool_id)
    statement = select(func.count()).select_from(Customer)
    return session.scalar(statement.where(listed_in_pool(session, pool, conditions, query))) or 0


def listed_in_pool(session: ServiceSession, pool: OpenPool, conditions: Any, query: str) -> ColumnElement[bool]:
    """What a list, a count and a batch of a pool's customers alike are made of."""
    hidden = hidden_fields(pool)
    found: ColumnElement[bool] = true()
    if query.strip():
        whole = queries.sees_whole(session) and not set(_CONTACT_FIELDS) & set(hidden)
        text = Customer.search_text if whole else search.public_part(Customer.search_text)
        found = search.matches(query, Customer.grams, text)
    return and_(
        Customer.pool_id == pool.pool.id,
        registry_without(session, hidden).where(conditions, caller=session.caller),
        found,
    )


def hidden_fields(pool: OpenPool) -> list[str]:
    """The fields of the pool's customers that the caller does not see."""
    return [] if pool.administered else pool.pool.hidden_fields


def list_holding_changes(
    session: ServiceSession, customer_id: UUID, *, page_size: int, page_token: str
) -> Page[HoldingChange]:
    """A page of a customer's changes of hands, the newest first. Raises NotFound like `get_customer`."""
    size = paging.page_size(page_size)
    queries.get_customer(session, customer_id)
    statement = select(HoldingChange).where(HoldingChange.customer_id == customer_id)
    key = SortKey(HoldingChange.id, descending=True, nullable=False)
    mark = paging.fingerprint("holding changes", str(customer_id))
    return paging.fetch_page(session, statement, [key], size, page_token, mark)
