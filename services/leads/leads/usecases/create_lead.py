"""Enter a lead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import audit, outbox
from chassis.audit import Change
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.names import new_id
from chassis.rules import apply, refuse

from leads.duplicates import refuse_protected, refuse_taken
from leads.events import LeadCreated
from leads.facts import snapshot, state
from leads.life.statuses import checked_reason
from leads.life.timeline import note
from leads.model import Lead, LeadEventKind, LeadStatus
from leads.owners import department_of_caller, find_owner, set_owner
from leads.rules import LEAD_RULES, nameless


@dataclass(frozen=True)
class LeadDraft:
    """A lead as whoever enters it states it: raw values by field, see `rules.LEAD_RULES`."""

    values: Mapping[str, Any]
    owner_id: UUID | None = None
    unowned: bool = False
    """Whether the assignment rules decide who owns it."""


def create_lead(session: ServiceSession, draft: LeadDraft) -> Lead:
    """Enter a lead and announce it. Its owner is the caller unless the draft names another, or leaves it to the rules.

    Raises Invalid OWNER_WITH_UNOWNED if the draft does both, Duplicate if a partner's registration protects the
    company, or another lead bears the external id.
    """
    lead = new_lead(session, draft)
    if draft.unowned and draft.owner_id is not None:
        raise Invalid("OWNER_WITH_UNOWNED", "name an owner, or leave the lead to the assignment rules", field="unowned")
    owner_id = draft.owner_id or session.caller.user_id
    if draft.unowned:
        lead.owner_department_path = department_of_caller(session)
    elif owner_id is not None:
        if owner_id != session.caller.user_id:
            session.caller.scope("lead.transfer")
        set_owner(lead, find_owner(session, owner_id))
    refuse_protected(session, lead)
    refuse_taken(session, lead)
    return keep(session, lead, "lead.create")


def new_lead(session: ServiceSession, draft: LeadDraft) -> Lead:
    """A lead without an owner, its fields judged. Raises Invalid, naming every field at fault."""
    stored, faults = apply(LEAD_RULES, {"status": LeadStatus.NEW} | dict(draft.values))
    refuse([*faults, *([] if faults else nameless(stored))])
    stored["status_reason"] = checked_reason(session, stored["status"], stored.get("status_reason") or "")
    empty: dict[str, Any] = {"phones": [], "emails": []}
    lead = Lead(
        id=new_id(),
        **(empty | stored),
        registrant=session.caller.subject,
        registrant_id=session.caller.user_id,
        partner_id=session.caller.partner_id,
        repeat_count=0,
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    lead.refresh_keys()
    return lead


def keep(session: ServiceSession, lead: Lead, action: str) -> Lead:
    """Store a new lead and announce it."""
    keep_all(session, [lead], action)
    return lead


def keep_all(session: ServiceSession, leads: Sequence[Lead], action: str) -> None:
    """Store some new leads and announce them."""
    for lead in leads:
        lead.owner_since = session.now if lead.owner_id is not None else None
        session.add(lead)
        note(session, lead, LeadEventKind.CREATED, after=lead.status, reason=lead.status_reason, note=lead.status_note)
    session.flush()
    audit.record_all(session, [Change(action, lead.name, None, snapshot(lead)) for lead in leads])
    outbox.emit_all(session, [LeadCreated(lead.name, lead.version, state(lead)) for lead in leads])
