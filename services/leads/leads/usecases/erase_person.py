"""Take a person out of what this service holds."""

from collections.abc import Sequence
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.personal_data import Finding, Person, Redactor, pseudonym

from leads.events import LeadUpdated
from leads.facts import state
from leads.model import FollowUp, Lead

LEAD, FOLLOW_UP = "lead", "follow_up"


def erase_person(session: ServiceSession, person: Person, findings: Sequence[Finding]) -> None:
    """Take a person out of leads and follow-ups. Who got in touch when and how, and what came of it, stays."""
    anywhere, there = Redactor(person), Redactor(person, names=True)
    for found in findings:
        if found.kind == LEAD:
            _erase_lead(session, parse_name("leads", found.name), there)
        else:
            _redact_follow_up(session, parse_name("followUps", found.name), there if found.about else anywhere)


def _erase_lead(session: ServiceSession, lead_id: UUID, redactor: Redactor) -> None:
    lead = session.get(Lead, lead_id, with_for_update=True)
    if lead is None:
        return
    lead.contact_name = pseudonym(lead.id)
    lead.phones, lead.emails = [], []
    lead.wechat = lead.remark = None
    lead.requirement = redactor.text(lead.requirement) if lead.requirement else None
    lead.company_name = redactor.text(lead.company_name) if lead.company_name else None
    lead.refresh_keys()
    lead.version += 1
    lead.update_time = session.now
    audit.record(session, "lead.erase", lead.name, None, {"version": lead.version})
    changed = ["contact_name", "emails", "phones", "remark", "requirement", "wechat"]
    outbox.emit(session, LeadUpdated(lead.name, lead.version, state(lead), changed))


def _redact_follow_up(session: ServiceSession, follow_up_id: UUID, redactor: Redactor) -> None:
    follow_up = session.get(FollowUp, follow_up_id, with_for_update=True)
    if follow_up is None:
        return
    redacted = redactor.text(follow_up.content)
    if redacted != follow_up.content:
        follow_up.content = redacted
        audit.record(session, "follow_up.redact", follow_up.name, None, {"redacted": True})
