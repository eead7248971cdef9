"""Take a lead from the fallback pool."""

from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, Denied, NotFound
from chassis.names import make_name, new_id
from chassis.scopes import in_scope
from sqlalchemy import select

from leads.assignment.deciding import alone
from leads.assignment.people import CLOSED, find_reps
from leads.events import LeadUpdated
from leads.facts import state
from leads.life.timeline import note_changes
from leads.model import AssignmentCause, AssignmentOutcome, KnownUser, Lead, LeadAssignment, WaitingLead
from leads.owners import find_owner, set_owner

CLAIM = "lead.claim"


def claim_lead(session: ServiceSession, lead_id: UUID) -> Lead:
    """Take a lead from the fallback pool. It counts as given.

    Raises NotFound, Denied USERS_ONLY, Conflict LEAD_CAPACITY_REACHED or LEAD_ALREADY_CLAIMED.
    """
    user_id = session.caller.user_id
    if user_id is None:
        raise Denied("USERS_ONLY", "only people claim leads; sign in as a person")
    alone(session)
    _require_room(session, user_id)
    owner = find_owner(session, user_id)
    lead, row = _lock(session, lead_id)
    set_owner(lead, owner)
    lead.version += 1
    lead.update_time = lead.owner_since = session.now
    session.delete(row)
    assignment = LeadAssignment(
        id=new_id(),
        lead_id=lead.id,
        outcome=AssignmentOutcome.CLAIMED,
        cause=AssignmentCause.CLAIMED,
        rule_id=row.rule_id,
        assignee_id=user_id,
        reason="",
        decide_time=session.now,
        detail={},
    )
    session.add(assignment)
    session.flush()
    after = {"owner": make_name("users", user_id), "version": lead.version}
    note_changes(session, lead, {}, after)
    audit.record(session, CLAIM, lead.name, {"version": lead.version - 1}, after)
    outbox.emit(session, LeadUpdated(lead.name, lead.version, state(lead), ["owner"]))
    return lead


def _require_room(session: ServiceSession, user_id: UUID) -> None:
    known = session.get(KnownUser, user_id)
    full = find_reps(session, [known])[user_id].fullness if known is not None else None
    if full is not None:
        message = "you were given as many leads as you can take; take this one later, or have your capacity changed"
        raise Conflict("LEAD_CAPACITY_REACHED", message, limit=full)


def _lock(session: ServiceSession, lead_id: UUID) -> tuple[Lead, WaitingLead]:
    scope = session.caller.scope(CLAIM)
    lead = session.scalars(select(Lead).where(Lead.id == lead_id).with_for_update()).first()
    row = session.get(WaitingLead, lead_id)
    missing = NotFound("LEAD_NOT_IN_POOL", "there is no such lead in the pool, or you may not see it")
    if lead is None:
        raise missing
    if lead.owner_id is not None:
        visible = select(Lead.id).where(Lead.id == lead_id, in_scope(scope, Lead.owner_id, Lead.owner_department_path))
        taken = Conflict("LEAD_ALREADY_CLAIMED", "somebody was faster; take another lead")
        raise taken if session.scalar(visible) is not None else missing
    if row is None or lead.status in CLOSED or not scope.reaches(None, lead.owner_department_path):
        raise missing
    return lead, row
