"""Give a lead to another owner."""

from uuid import UUID

from chassis import notifications
from chassis.db import ServiceSession
from chassis.etags import check_etag

from leads.facts import snapshot
from leads.lead_queries import lock_lead
from leads.model import Lead
from leads.owners import find_owner, set_owner
from leads.told import lead_title_for
from leads.usecases.update_lead import announce


def transfer_lead(session: ServiceSession, lead_id: UUID, owner_id: UUID, *, etag: str = "") -> Lead:
    """Give a lead to another owner, and tell the new owner."""
    # The owner is locked before the lead, as in a department move, so that the two never wait for each other.
    owner = find_owner(session, owner_id)
    lead = lock_lead(session, lead_id, "lead.transfer")
    check_etag(etag, lead.version)
    if lead.owner_id == owner_id:
        return lead
    before = snapshot(lead)
    set_owner(lead, owner)
    announce(session, lead, before, "lead.transfer")
    if owner_id != session.caller.user_id:
        params = {"lead_name": lead_title_for(session, owner_id, lead), "actor": session.caller.subject}
        notifications.notify(session, owner_id, "LEAD_ASSIGNED", lead.name, params)
    return lead
