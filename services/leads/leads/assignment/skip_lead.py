"""Let the rules leave a lead alone, or look after it again."""

from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import delete

from leads.assignment.deciding import alone, leave_alone, queue
from leads.facts import snapshot
from leads.lead_queries import lock_lead
from leads.model import AssignmentCause, Lead, WaitingLead
from leads.usecases.update_lead import announce

PERMISSION = "lead.assign"


def skip_lead(session: ServiceSession, lead_id: UUID, *, skip: bool) -> Lead:
    """Let the rules leave a lead alone, or look after it again. While nobody owns a lead that they leave alone, people
    can claim it from the fallback pool."""
    alone(session)
    lead = lock_lead(session, lead_id, PERMISSION)
    before = snapshot(lead)
    lead.assignment_skipped = skip
    announce(session, lead, before, "lead.skip_assignment")
    if lead.owner_id is not None:
        session.execute(delete(WaitingLead).where(WaitingLead.lead_id == lead_id))
    elif snapshot(lead) != before:
        if skip:
            leave_alone(session, [lead_id])
        else:
            queue(session, [lead_id], AssignmentCause.RETRIED, session.now)
    return lead
