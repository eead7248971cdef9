"""Take over a lead that one was assigned, give it back, or let it pass."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.rules import apply, refuse, required_text
from sqlalchemy import Select, select

from leads.assignment.deciding import PART, alone, assign
from leads.assignment.people import CLOSED
from leads.lead_queries import lock_lead
from leads.model import Acceptance, AssignmentCause, Lead, LeadAssignment, LeadStatus

_PARTS = 10
"""Parts that are dealt with each time the timer runs."""
_REASON = {"reason": partial(required_text, maximum=500, lines=True)}


def accept_lead(session: ServiceSession, lead_id: UUID) -> LeadAssignment:
    """Take over a lead. Accepting it again changes nothing.

    Raises Conflict ACCEPTANCE_NOT_PENDING unless the caller was assigned the lead and has to accept it.
    """
    lead = lock_lead(session, lead_id, "lead.update")
    assignment = _newest(session, lead)
    if assignment.acceptance == Acceptance.ACCEPTED:
        return assignment
    _require_pending(assignment)
    _settle(session, assignment, Acceptance.ACCEPTED)
    audit.record(session, "lead.accept", lead.name, None, {"assignment": assignment.name})
    return assignment


def decline_lead(session: ServiceSession, lead_id: UUID, reason: str) -> LeadAssignment:
    """Give back a lead, with a reason; the rules give it to somebody else. Returns what they decided.

    Raises Conflict ACCEPTANCE_NOT_PENDING unless the caller was assigned the lead and has to accept it, and for a lead
    that is closed.
    """
    stored, faults = apply(_REASON, {"reason": reason})
    refuse(faults)
    alone(session)
    lead = lock_lead(session, lead_id, "lead.update")
    assignment = _newest(session, lead)
    _require_pending(assignment)
    if lead.status in CLOSED:
        raise _not_pending(lead.status)
    assignment.decline_reason = stored["reason"]
    _settle(session, assignment, Acceptance.DECLINED)
    audit.record(session, "lead.decline", lead.name, None, {"assignment": assignment.name})
    _take_away(session, {lead: assignment}, AssignmentCause.DECLINED)
    return _newest_of(session, lead_id) or assignment


def let_pass(session: ServiceSession, due: datetime) -> None:
    """Take leads away from those who did not accept them in time, and give them to others."""
    if session.scalar(_overdue(session).limit(1)) is None:
        return
    alone(session)
    for _ in range(_PARTS):
        if not _let_some_pass(session):
            return


def _overdue(session: ServiceSession) -> Select[LeadAssignment]:
    return (
        select(LeadAssignment)
        .where(LeadAssignment.acceptance == Acceptance.PENDING, LeadAssignment.accept_due_time <= session.now)
        .order_by(LeadAssignment.accept_due_time)
        .execution_options(populate_existing=True)
    )


def _let_some_pass(session: ServiceSession) -> bool:
    found = [one.lead_id for one in session.scalars(_overdue(session).limit(PART))]
    wanted = select(Lead).where(Lead.id.in_(found)).order_by(Lead.id).with_for_update()
    leads = {lead.id: lead for lead in session.scalars(wanted.execution_options(populate_existing=True))}
    # Read once more, now that the leads are locked: somebody may just have accepted one.
    overdue = session.scalars(_overdue(session).where(LeadAssignment.lead_id.in_(leads))).all()
    changes, taken = [], {}
    for assignment in overdue:
        lead = leads[assignment.lead_id]
        outcome = _outcome(lead, assignment)
        _settle(session, assignment, outcome)
        changes.append(audit.Change("lead.settle_assignment", assignment.name, None, {"acceptance": outcome}))
        if outcome is Acceptance.EXPIRED:
            taken[lead] = assignment
    session.flush()
    audit.record_all(session, changes)
    _take_away(session, taken, AssignmentCause.EXPIRED)
    return len(found) == PART


def _outcome(lead: Lead, assignment: LeadAssignment) -> Acceptance:
    """What has become of an assignment whose time is over. Who has begun to work on the lead has accepted it."""
    if lead.owner_id != assignment.assignee_id:
        return Acceptance.SUPERSEDED
    return Acceptance.EXPIRED if lead.status == LeadStatus.NEW else Acceptance.ACCEPTED


def _take_away(session: ServiceSession, leads: dict[Lead, LeadAssignment], cause: AssignmentCause) -> None:
    """Let nobody own leads that somebody gave back, and the rules decide on them. Where nobody gets them, their owner's
    department keeps seeing them. The leads must be open."""
    if not leads:
        return
    former = {lead.id: assignment.assignee_id for lead, assignment in leads.items() if assignment.assignee_id}
    for lead in leads:
        lead.owner_id = None
    session.flush()
    assign(session, dict.fromkeys(former, cause), former=former)


def _settle(session: ServiceSession, assignment: LeadAssignment, acceptance: Acceptance) -> None:
    assignment.acceptance = acceptance
    assignment.settle_time = session.now
    session.flush()


def _newest(session: ServiceSession, lead: Lead) -> LeadAssignment:
    assignment = _newest_of(session, lead.id)
    caller = session.caller.user_id
    if assignment is None or caller is None or assignment.assignee_id != caller or lead.owner_id != caller:
        raise _not_pending("")
    return assignment


def _newest_of(session: ServiceSession, lead_id: UUID) -> LeadAssignment | None:
    statement: Any = (
        select(LeadAssignment)
        .where(LeadAssignment.lead_id == lead_id)
        .order_by(LeadAssignment.decide_time.desc(), LeadAssignment.id.desc())
        .limit(1)
    )
    found: LeadAssignment | None = session.scalars(statement).first()
    return found


def _require_pending(assignment: LeadAssignment) -> None:
    if assignment.acceptance != Acceptance.PENDING:
        raise _not_pending(assignment.acceptance or "")


def _not_pending(state: str) -> Conflict:
    message = "this lead does not wait for you to accept it; read it again"
    return Conflict("ACCEPTANCE_NOT_PENDING", message, state=state)
