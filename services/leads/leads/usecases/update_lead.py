"""Change a lead."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.etags import check_etag
from chassis.names import make_name
from chassis.rules import apply, refuse
from chassis.snapshots import difference

from leads.duplicates import refuse_protected, refuse_taken
from leads.events import LeadUpdated
from leads.facts import snapshot, state
from leads.lead_queries import lock_lead
from leads.life.statuses import move
from leads.life.timeline import note_changes
from leads.model import Lead
from leads.rules import LEAD_RULES, nameless

_MATCHED = {"company_name", "credit_code", "phones"}
_SEARCHED = _MATCHED | {"contact_name", "emails"}


def update_lead(session: ServiceSession, lead_id: UUID, values: Mapping[str, Any], *, etag: str = "") -> Lead:
    """Change a lead by raw values by field and announce it. A change of nothing leaves no trace.

    Raises Duplicate if it becomes a lead of a company that a partner's registration protects. For another status see
    `leads.life.statuses.move`.
    """
    lead = lock_lead(session, lead_id, "lead.update")
    check_etag(etag, lead.version)
    before = snapshot(lead)
    _apply(session, lead, values)
    changed = difference(before, snapshot(lead))[1].keys()
    if changed & _SEARCHED:
        lead.refresh_keys()
    if changed & _MATCHED:
        refuse_protected(session, lead)
    if "external_id" in changed:
        refuse_taken(session, lead)
    return announce(session, lead, before, "lead.update")


def _apply(session: ServiceSession, lead: Lead, values: Mapping[str, Any]) -> None:
    stored, faults = apply(LEAD_RULES, values)
    named = {"company_name": lead.company_name, "contact_name": lead.contact_name} | stored
    refuse([*faults, *([] if faults else nameless(named))])
    status, reason, note = (stored.pop(field, None) for field in ("status", "status_reason", "status_note"))
    move(session, lead, status or lead.status, reason=reason or "", note=note)
    for column, value in stored.items():
        setattr(lead, column, value)


def announce(session: ServiceSession, lead: Lead, before: Mapping[str, Any], action: str) -> Lead:
    """Store what changed of a lead since a snapshot, if anything did, and tell of it."""
    if snapshot(lead) == before:
        return lead
    if make_name("users", lead.owner_id) != before.get("owner", ""):
        lead.owner_since = session.now
    lead.version += 1
    lead.update_time = session.now
    note_changes(session, lead, before, snapshot(lead))
    session.flush()
    old, new = difference(before, snapshot(lead))
    audit.record(session, action, lead.name, old, new)
    outbox.emit(session, LeadUpdated(lead.name, lead.version, state(lead), sorted(new.keys() - {"version"})))
    return lead
