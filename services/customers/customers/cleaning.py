"""Which customers need cleaning, as far as the caller reaches them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chassis import paging
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.paging import Page, SortKey
from crm.common.v1 import filter_pb2
from sqlalchemy import ColumnElement, Text, exists, func, or_, select

from customers.model import Customer
from customers.queries import CUSTOMERS, reach, registry

MOST_DAYS = 3_650
_PATTERNS: Mapping[str, tuple[str, str]] = {
    # E.164: a country code, at most fifteen digits in all.
    "INVALID_PHONE": ("phones", r"^\+[1-9][0-9]{6,14}$"),
    # RFC 5321: one @ between a mailbox and a domain of at least two labels.
    "INVALID_EMAIL": ("emails", r"^[^@[:space:]]+@[^@[:space:].]+(\.[^@[:space:].]+)+$"),
}


def list_to_clean(
    session: ServiceSession, which: str, *, field: str, days: int, page_size: int, page_token: str
) -> Page[Any]:
    """A page of the customers of one list, as rows. Raises Invalid, or Denied FIELD_NOT_READABLE."""
    size = paging.page_size(page_size)
    statement = CUSTOMERS.where(reach(session, "customer.read"), _condition(session, which, field, days))
    mark = paging.fingerprint("cleaning", which, field, str(days))
    return paging.fetch_page(session, statement, [SortKey(Customer.id, nullable=False)], size, page_token, mark)


def _condition(session: ServiceSession, which: str, field: str, days: int) -> ColumnElement[bool]:
    if which == "MISSING":
        condition = filter_pb2.Condition(field=field, operator=filter_pb2.OPERATOR_IS_EMPTY)
        missing = filter_pb2.Filter(condition=condition)
        return registry(session).where(missing, path="empty_field", caller=session.caller)
    if which == "STALE":
        if not 1 <= days <= MOST_DAYS:
            raise Invalid("INVALID_DAYS", f"give from 1 to {MOST_DAYS} days", field="days")
        since = session.now - timedelta(days=days)
        followed = Customer.last_follow_up_time
        return (Customer.update_time < since) & or_(followed.is_(None), followed < since)
    if which in _PATTERNS:
        name, pattern = _PATTERNS[which]
        registry(session).find(name, path="list", caller=session.caller)  # refused to whom it is hidden from
        part = func.unnest(getattr(Customer, name), type_=Text).column_valued("part")
        return exists(select(part).where(~part.regexp_match(pattern)))
    raise Invalid("INVALID_CLEANING_LIST", "say which list", field="list")
