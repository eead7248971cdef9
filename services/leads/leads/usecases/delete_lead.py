"""Delete a lead."""

from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.personal_data import Finding, deleted, refuse_held
from sqlalchemy import delete

from leads.events import LeadDeleted
from leads.facts import snapshot
from leads.lead_queries import lock_lead
from leads.life.statuses import require_idle
from leads.model import LeadEvent, LeadStatus
from leads.offline.conflicts import forget_conflicts


def delete_lead(session: ServiceSession, lead_id: UUID, *, etag: str = "") -> None:
    """Delete a lead and announce it. The audit log keeps what it held, and what legal holds may still ask for is set
    aside; its company can be registered again.

    Raises Conflict LEGAL_HOLD if the person's data must be kept, and CONVERSION_UNDER_WAY.
    """
    lead = lock_lead(session, lead_id, "lead.delete")
    check_etag(etag, lead.version)
    marks = frozenset({*lead.phones, *lead.emails})
    if lead.status != LeadStatus.CONVERTED:
        require_idle(session, lead)
    refuse_held(session, {lead.name}, marks)
    names = {lead.contact_name} if lead.contact_name else set()
    deleted.set_aside(session, Finding("lead", lead.name, snapshot(lead), marks=marks), names)
    audit.record(session, "lead.delete", lead.name, snapshot(lead), None)
    forget_conflicts(session, lead.id)
    session.execute(delete(LeadEvent).where(LeadEvent.lead_id == lead.id))
    session.delete(lead)
    session.flush()
    outbox.emit(session, LeadDeleted(lead.name, lead.version))
