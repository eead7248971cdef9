"""Enter a lead."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.names import new_id
from chassis.rules import apply, refuse

from leads.duplicates import refuse_protected
from leads.events import LeadCreated
from leads.facts import snapshot, state
from leads.model import Lead, LeadStatus
from leads.owners import find_owner, set_owner
from leads.rules import LEAD_RULES, nameless


@dataclass(frozen=True)
class LeadDraft:
    """A lead as whoever enters it states it: raw values by field, see `rules.LEAD_RULES`."""

    values: Mapping[str, Any]
    owner_id: UUID | None = None


def create_lead(session: ServiceSession, draft: LeadDraft) -> Lead:
    """Enter a lead and announce it. Its owner is the caller unless the draft names another.

    Raises Duplicate if a partner's registration protects the company.
    """
    lead = new_lead(session, draft)
    owner_id = draft.owner_id or session.caller.user_id
    if owner_id is not None:
        if owner_id != session.caller.user_id:
            session.caller.scope("lead.transfer")
        set_owner(lead, find_owner(session, owner_id))
    refuse_protected(session, lead)
    return keep(session, lead, "lead.create")


def new_lead(session: ServiceSession, draft: LeadDraft) -> Lead:
    """A lead without an owner, its fields judged. Raises Invalid, naming every field at fault."""
    stored, faults = apply(LEAD_RULES, {"status": LeadStatus.NEW} | dict(draft.values))
    refuse([*faults, *([] if faults else nameless(stored))])
    empty: dict[str, Any] = {"phones": [], "emails": []}
    lead = Lead(
        id=new_id(),
        **(empty | stored),
        registrant=session.caller.subject,
        registrant_id=session.caller.user_id,
        partner_id=session.caller.partner_id,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    lead.refresh_keys()
    return lead


def keep(session: ServiceSession, lead: Lead, action: str) -> Lead:
    """Store a new lead and announce it."""
    session.add(lead)
    session.flush()
    audit.record(session, action, lead.name, None, snapshot(lead))
    outbox.emit(session, LeadCreated(lead.name, lead.version, state(lead)))
    return lead
