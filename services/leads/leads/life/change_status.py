"""Change how far a lead has come."""

from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag
from chassis.rules import apply, refuse

from leads.facts import snapshot
from leads.lead_queries import lock_lead
from leads.life.statuses import move
from leads.model import Lead
from leads.rules import LEAD_RULES
from leads.usecases.update_lead import announce


def change_status(
    session: ServiceSession, lead_id: UUID, status: str, *, reason: str = "", note: str = "", etag: str = ""
) -> Lead:
    """Give a lead another status, for a reason and with a note if any are given, and announce it. See
    `leads.life.statuses.move` for what it raises."""
    stored, faults = apply(LEAD_RULES, {"status": status, "status_note": note})
    refuse(faults)
    lead = lock_lead(session, lead_id, "lead.update")
    check_etag(etag, lead.version)
    if lead.status == stored["status"]:
        raise Invalid("STATUS_UNCHANGED", f"the lead is {lead.status} already", field="status")
    before = snapshot(lead)
    move(session, lead, stored["status"], reason=reason, note=stored["status_note"])
    return announce(session, lead, before, "lead.change_status")
