"""Keeps theatres (战区) from crowding a company: how often others may have been in touch with it within a day.

A contact counts by the theatre that it comes from: the nearest department that is one at or above the author's, else
the author's department itself, else the author. It counts for the company, whatever records of it theatres keep, by
whatever channel. A theatre's own contacts do not count against it, so that it logs all that it does.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.callers import Caller
from chassis.db import ServiceSession
from chassis.errors import Exhausted
from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute

from leads.judging import rules_now
from leads.model import FollowUp, KnownCustomer, KnownDepartment

WINDOW = timedelta(hours=24)

_KEYS = func.unnest(bindparam("keys", type_=ARRAY(BigInteger))).column_valued("key")
_LOCK = select(func.pg_advisory_xact_lock(_KEYS))


def theatre_of(session: ServiceSession, caller: Caller) -> str:
    """Whose contacts those of a caller are reckoned to: the resource name of a department, or of the caller."""
    line = [key for key in caller.department_path.split("/") if key]
    if not line:
        return caller.subject
    paths = [f"{'/'.join(line[:end])}/" for end in range(1, len(line) + 1)]
    known = select(KnownDepartment.path).where(KnownDepartment.path.in_(paths), KnownDepartment.theatre)
    nearest = max(session.scalars(known), key=len, default=paths[-1])
    return f"departments/{nearest.rstrip('/').rpartition('/')[2]}"


def refuse_beyond_cap(session: ServiceSession, follow_up: FollowUp) -> None:
    """Raise Exhausted CONTACT_CAP_REACHED if other theatres are in touch with the company as often as the rules allow
    in the 24 hours up to the follow-up, or up to the next contact that it plans.

    Until the transaction ends, nobody else passes this for the same company. What others did is not told.
    """
    customer = session.get(KnownCustomer, follow_up.customer_id)
    _one_at_a_time(session, follow_up.customer_id, customer)
    company = _records_of(session, follow_up.customer_id, customer)
    cap = rules_now(session).contact_cap
    moments = {"occur_time": follow_up.occur_time}
    if follow_up.next_contact_time is not None and follow_up.reminder_open:
        moments["next_contact_time"] = follow_up.next_contact_time
    for field, moment in moments.items():
        if _contacts(session, company, follow_up.theatre or "", moment) >= cap:
            message = "this company has been contacted as often as it should be within 24 hours: choose a later time"
            raise Exhausted("CONTACT_CAP_REACHED", message, field=field)


def _contacts(session: ServiceSession, company: list[UUID], theatre: str, until: datetime) -> int:
    """How often other theatres are in touch with a company in the 24 hours up to a moment, open plans included."""
    others = and_(FollowUp.customer_id.in_(company), FollowUp.theatre != theatre)
    made = select(func.count()).select_from(FollowUp).where(others, _within(FollowUp.occur_time, until))
    planned = select(func.count()).select_from(FollowUp).where(others, _within(FollowUp.next_contact_time, until))
    return (session.scalar(made) or 0) + (session.scalar(planned.where(FollowUp.reminder_open)) or 0)


def _within(time: InstrumentedAttribute[Any], until: datetime) -> ColumnElement[bool]:
    return and_(time > until - WINDOW, time <= until)


def _records_of(session: ServiceSession, customer_id: UUID, customer: KnownCustomer | None) -> list[UUID]:
    """The customers that are the same company: with the same credit code or, unless both bear one, the same core of
    the name."""
    same = []
    if customer is not None and customer.credit_code is not None:
        same.append(KnownCustomer.credit_code == customer.credit_code)
    if customer is not None and customer.company_key:
        named = KnownCustomer.company_key == customer.company_key
        uncoded = KnownCustomer.credit_code.is_(None) if customer.credit_code is not None else None
        same.append(named if uncoded is None else and_(named, uncoded))
    if not same:
        return [customer_id]
    found = select(KnownCustomer.id).where(or_(*same), KnownCustomer.company_key != "", ~KnownCustomer.deleted)
    return [*{customer_id, *session.scalars(found)}]


def _one_at_a_time(session: ServiceSession, customer_id: UUID, customer: KnownCustomer | None) -> None:
    """Lock all that the company is known by, in one order. Two records of one company have a key in common."""
    known_by = [f"contact customer {customer_id}"]
    if customer is not None and customer.company_key:
        known_by.append(f"contact name {customer.company_key}")
    if customer is not None and customer.credit_code is not None:
        known_by.append(f"contact code {customer.credit_code}")
    keys = sorted(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True) for text in known_by)
    session.execute(_LOCK, {"keys": keys})
