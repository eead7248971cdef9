"""What happens by itself: leads that come in are assigned, and those that wait are judged again."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import delete, select

from leads.assignment.deciding import PART, alone, assign
from leads.assignment.judging import assignable
from leads.model import AssignmentCause, Lead, WaitingLead

_PARTS = 10
"""Parts that are judged each time the timer runs."""


def assign_new(session: ServiceSession, leads: Sequence[UUID]) -> None:
    """Assign those of some leads that nobody owns and that are not in the pool already."""
    for start in range(0, len(leads), PART):
        _assign_new(session, leads[start : start + PART])


def _assign_new(session: ServiceSession, leads: Sequence[UUID]) -> None:
    alone(session)
    known = set(session.scalars(select(WaitingLead.lead_id).where(WaitingLead.lead_id.in_(leads))))
    statement = select(Lead.id).where(Lead.id.in_(set(leads) - known), assignable())
    if new := session.scalars(statement).all():
        assign(session, dict.fromkeys(new, AssignmentCause.CREATED))


def assign_waiting(session: ServiceSession, due: datetime) -> None:
    """Judge again the leads whose time has come."""
    if session.scalar(select(WaitingLead.lead_id).where(WaitingLead.retry_time <= session.now).limit(1)) is None:
        return
    alone(session)
    for _ in range(_PARTS):
        if not _assign_some(session):
            return


def _assign_some(session: ServiceSession) -> bool:
    statement = (
        select(WaitingLead.lead_id, WaitingLead.cause)
        .where(WaitingLead.retry_time <= session.now)
        .order_by(WaitingLead.retry_time, WaitingLead.lead_id)
        .limit(PART)
    )
    causes = {key: AssignmentCause(cause) for key, cause in session.execute(statement).all()}
    if not causes:
        return False
    decided = {one.lead.id for one in assign(session, causes)}
    # Somebody owns them, they are closed, or left alone by the rules.
    gone = delete(WaitingLead).where(WaitingLead.lead_id.in_(causes.keys() - decided))
    session.execute(gone.execution_options(synchronize_session=False))
    return len(causes) == PART
