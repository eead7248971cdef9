"""Reads: policies, and the steps that were taken about what a caller may see."""

from typing import Any

from chassis import paging
from chassis.db import ServiceSession
from chassis.paging import Page, SortKey
from sqlalchemy import and_, select

from leads.model import Escalation, EscalationAction, EscalationPolicy
from leads.quiet import standing
from leads.subjects import Subject, reach

_OLDEST = [SortKey(EscalationPolicy.create_time, nullable=False), SortKey(EscalationPolicy.id, nullable=False)]
_NEWEST = [
    SortKey(Escalation.time, descending=True, nullable=False),
    SortKey(Escalation.id, descending=True, nullable=False),
]
_STEPS = select(*Escalation.__table__.columns, standing().label("standing"))


def list_policies(session: ServiceSession, *, page_size: int, page_token: str) -> Page[EscalationPolicy]:
    """A page of the policies, the oldest first."""
    session.caller.scope("escalation.read")
    size, mark = paging.page_size(page_size), paging.fingerprint("escalation policies")
    return paging.fetch_page(session, select(EscalationPolicy), _OLDEST, size, page_token, mark)


def list_escalations(
    session: ServiceSession,
    subject: Subject | None,
    *,
    only_standing: bool,
    high_risk: bool,
    page_size: int,
    page_token: str,
) -> Page[Any]:
    """A page of the steps that were taken, as rows, the newest first."""
    wanted = [reach(session, Escalation, "escalation.read")]
    if subject is not None:
        columns = Escalation.customer_id if subject.collection == "customers" else Escalation.lead_id
        wanted.append(columns == subject.id)
    if only_standing:
        wanted.append(standing())
    if high_risk:
        wanted.append(Escalation.action == EscalationAction.HIGH_RISK.value)
    size = paging.page_size(page_size)
    mark = paging.fingerprint("escalations", subject.name if subject else "", f"{only_standing} {high_risk}")
    return paging.fetch_page(session, _STEPS.where(and_(*wanted)), _NEWEST, size, page_token, mark)
