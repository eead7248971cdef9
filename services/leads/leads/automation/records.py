"""What a rule runs for: a lead or a customer, and what happened to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import select

from leads.automation import vocabulary
from leads.lead_queries import reach
from leads.model import KnownCustomer, Lead
from leads.subjects import Subject, reach_customers


@dataclass(frozen=True)
class Occasion:
    """What a rule runs for once."""

    key: str
    subject: Subject
    event: str
    values: Mapping[str, Any] = field(default_factory=dict)
    """The values of variables that the event itself tells."""
    old: Mapping[str, Any] = field(default_factory=dict)
    """What the fields of the lead that changed held before."""
    steps: tuple[str, ...] = ()
    """The rules that led to it, each with its record."""


@dataclass(frozen=True)
class Record:
    """A lead or customer with the values that rules name."""

    subject: Subject
    owner_id: UUID | None
    department_path: str | None
    values: Mapping[str, Any]


def find(session: ServiceSession, occasion: Occasion) -> Record | None:
    """The record as it is now; None if the session's caller does not reach it."""
    subject = occasion.subject
    if subject.collection == "leads":
        # Loaded anew, since rules that ran before have changed it.
        lead = session.scalars(
            select(Lead)
            .where(Lead.id == subject.id, reach(session, "lead.read"))
            .execution_options(populate_existing=True)
        ).first()
        return lead_record(lead, occasion, session.now) if lead is not None else None
    customer = session.scalars(
        select(KnownCustomer).where(
            KnownCustomer.id == subject.id,
            KnownCustomer.deleted.is_(False),
            reach_customers(session, "customer.read"),
        )
    ).first()
    if customer is None:
        return None
    values = {**_common(occasion, session.now), **occasion.values, **vocabulary.customer_values(customer)}
    return Record(subject, customer.owner_id, customer.owner_department_path, values)


def lead_record(lead: Lead, occasion: Occasion, now: datetime, plain: Mapping[str, Any] | None = None) -> Record:
    """A lead as it is, or as it was if that is given."""
    held = vocabulary.plain_lead(lead) if plain is None else plain
    values = {**_common(occasion, now), **occasion.values, **vocabulary.lead_values(held)}
    if occasion.event == "LeadUpdated":
        values |= {"changed": sorted(occasion.old), **vocabulary.lead_values({**held, **occasion.old}, "old")}
    return Record(occasion.subject, lead.owner_id, lead.owner_department_path, values)


def _common(occasion: Occasion, now: datetime) -> dict[str, Any]:
    return {"event": occasion.event, "record": occasion.subject.name, "now": now}
