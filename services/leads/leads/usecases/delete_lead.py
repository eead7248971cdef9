"""Delete a lead."""

from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.personal_data import refuse_held

from leads.events import LeadDeleted
from leads.facts import snapshot
from leads.lead_queries import lock_lead


def delete_lead(session: ServiceSession, lead_id: UUID, *, etag: str = "") -> None:
    """Delete a lead and announce it. The audit log keeps what it held; its company can be registered again.

    Raises Conflict LEGAL_HOLD if the person's data must be kept.
    """
    lead = lock_lead(session, lead_id, "lead.delete")
    check_etag(etag, lead.version)
    refuse_held(session, {lead.name}, {*lead.phones, *lead.emails})
    audit.record(session, "lead.delete", lead.name, snapshot(lead), None)
    session.delete(lead)
    session.flush()
    outbox.emit(session, LeadDeleted(lead.name, lead.version))
