"""Reads: tiers, evaluations, the tier of a customer, and how tiers and stages changed."""

from typing import Any
from uuid import UUID

from chassis import paging
from chassis.db import ServiceSession
from chassis.field_rules import require_readable
from chassis.jobs import Job, visible_jobs
from chassis.paging import Page, SortKey
from sqlalchemy import select

from customers.days import today
from customers.model import Aspect, ClassificationChange, Tier, TierLock
from customers.own_fields import ENTITY
from customers.queries import get_customer
from customers.usecases.evaluate_tiers import JOBS, PERMISSION

_FIELDS = {Aspect.TIER: "level", Aspect.STAGE: "lifecycle_stage"}


def list_tiers(session: ServiceSession, *, page_size: int, page_token: str) -> Page[Tier]:
    """A page of the tiers by their position."""
    key = SortKey(Tier.position, nullable=False)
    size = paging.page_size(page_size)
    return paging.fetch_page(session, select(Tier), [key], size, page_token, paging.fingerprint("tiers"))


def list_runs(session: ServiceSession, *, page_size: int, page_token: str) -> Page[Job]:
    """A page of the evaluations, the newest first."""
    columns = (Job.__table__.c.create_time, Job.__table__.c.id)
    keys = [SortKey(column, descending=True, nullable=False) for column in columns]
    statement = visible_jobs(session, JOBS, PERMISSION)
    return paging.fetch_page(
        session, statement, keys, paging.page_size(page_size), page_token, paging.fingerprint("tier runs")
    )


def tier_of(session: ServiceSession, customer_id: UUID) -> tuple[Any, TierLock | None]:
    """A customer as a row, and the lock of its tier if it has one. Raises NotFound."""
    customer = get_customer(session, customer_id)
    lock = session.get(TierLock, customer_id)
    holds = lock is not None and (lock.until is None or lock.until >= today(session))
    return customer, lock if holds else None


def list_changes(
    session: ServiceSession, customer_id: UUID, aspect: Aspect, *, page_size: int, page_token: str
) -> Page[ClassificationChange]:
    """A page of the changes of a customer's tier or stage, the newest first.

    Raises NotFound, and Denied FIELD_NOT_READABLE for who is not shown the tier or stage itself.
    """
    get_customer(session, customer_id)
    require_readable(session.caller, ENTITY, _FIELDS[aspect], path="customer")
    key = SortKey(ClassificationChange.position, descending=True, nullable=False)
    statement = select(ClassificationChange).where(
        ClassificationChange.customer_id == customer_id, ClassificationChange.aspect == aspect.value
    )
    mark = paging.fingerprint("classification", aspect, str(customer_id))
    return paging.fetch_page(session, statement, [key], paging.page_size(page_size), page_token, mark)
