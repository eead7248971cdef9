"""Accept or refuse a partner's registration."""

from datetime import timedelta
from uuid import UUID

from chassis import notifications
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.rules import apply, refuse

from leads.duplicates import refuse_protected
from leads.facts import snapshot
from leads.lead_queries import lock_lead
from leads.model import Lead
from leads.owners import find_owner, set_owner
from leads.rules import REASON_RULES
from leads.usecases.update_lead import announce


def approve_lead(
    session: ServiceSession, lead_id: UUID, protection: timedelta, *, owner_id: UUID | None = None, etag: str = ""
) -> Lead:
    """Accept a registration: the company is protected from now on, and the owner, else the caller, works on it.

    Raises Conflict unless it waits for approval, and Duplicate if it waited for so long that another partner's
    registration protects the company by now.
    """
    owner_id = owner_id or session.caller.user_id
    owner = find_owner(session, owner_id) if owner_id is not None else None
    lead = lock_lead(session, lead_id, "lead.approve")
    check_etag(etag, lead.version)
    before = snapshot(lead)
    lead.approve(session.now, protection)
    refuse_protected(session, lead)
    if owner is not None:
        set_owner(lead, owner)
    announce(session, lead, before, "lead.approve")
    _tell(session, lead, "LEAD_APPROVED", "")
    return lead


def reject_lead(session: ServiceSession, lead_id: UUID, reason: str, *, etag: str = "") -> Lead:
    """Refuse a registration with a reason that the partner reads. Raises Conflict unless it waits for approval."""
    stored, faults = apply(REASON_RULES, {"reason": reason})
    refuse(faults)
    lead = lock_lead(session, lead_id, "lead.approve")
    check_etag(etag, lead.version)
    before = snapshot(lead)
    lead.reject(stored["reason"])
    announce(session, lead, before, "lead.reject")
    _tell(session, lead, "LEAD_REJECTED", stored["reason"])
    return lead


def _tell(session: ServiceSession, lead: Lead, kind: str, reason: str) -> None:
    if lead.registrant_id is not None:
        params = {"lead_name": lead.title, "reason": reason}
        notifications.notify(session, lead.registrant_id, kind, lead.name, params)
