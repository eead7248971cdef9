"""Take a person out of what this service holds."""

from collections.abc import Sequence
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.personal_data import REDACTED, Finding, Person, Redactor, pseudonym

from leads.calls import personal as calls
from leads.capture import personal as submissions
from leads.events import LeadUpdated
from leads.facts import state
from leads.model import FollowUp, Lead
from leads.offline.conflicts import forget_conflicts
from leads.visits import personal as visits

_MARKETING = ("source_detail", "medium", "campaign", "campaign_term", "campaign_content", "external_id")
"""What tells of an advertisement rather than of a person, unless somebody put a person's address there. The external id
stays: the same lead sent again must not bring the person back."""

LEAD, FOLLOW_UP = "lead", "follow_up"


def erase_person(session: ServiceSession, person: Person, findings: Sequence[Finding]) -> None:
    """Take a person out of leads and follow-ups. Who got in touch when and how, and what came of it, stays."""
    there = Redactor(person, names=True)
    for found in findings:
        if found.kind == LEAD:
            _erase_lead(session, parse_name("leads", found.name), there)
        elif found.kind == submissions.SUBMISSION:
            submissions.erase(session, found)
        elif found.kind in (visits.VISIT, visits.POSITION):
            visits.erase(session, found)
        elif found.kind == calls.CALL:
            calls.erase(session, found)
        elif found.kind == FOLLOW_UP:
            _redact_follow_up(session, found, person)


def _erase_lead(session: ServiceSession, lead_id: UUID, redactor: Redactor) -> None:
    lead = session.get(Lead, lead_id, with_for_update=True)
    if lead is None:
        return
    lead.contact_name = pseudonym(lead.id)
    lead.phones, lead.emails = [], []
    lead.wechat = lead.remark = lead.landing_page = None
    lead.status_note = redactor.text(lead.status_note) if lead.status_note else None
    for column in _MARKETING:
        if told := getattr(lead, column):
            setattr(lead, column, redactor.text(told))
    lead.requirement = redactor.text(lead.requirement) if lead.requirement else None
    lead.company_name = redactor.text(lead.company_name) if lead.company_name else None
    forget_conflicts(session, lead.id)
    lead.refresh_keys()
    lead.version += 1
    lead.update_time = session.now
    audit.record(session, "lead.erase", lead.name, None, {"version": lead.version})
    changed = ["contact_name", "emails", "landing_page", "phones", "remark", "requirement", "wechat"]
    outbox.emit(session, LeadUpdated(lead.name, lead.version, state(lead), changed))


def _redact_follow_up(session: ServiceSession, found: Finding, person: Person) -> None:
    """What was said with the person goes as a whole, as does where that was; elsewhere what tells who it is."""
    follow_up = session.get(FollowUp, parse_name("followUps", found.name), with_for_update=True)
    if follow_up is None:
        return
    own = (
        follow_up.contact_id in person.ids("contacts")
        or follow_up.customer_id in person.ids("customers")
        or follow_up.lead_id in person.ids("leads")
    )
    redactor = Redactor(person, names=bool(found.about))
    redacted = REDACTED if own else redactor.text(follow_up.content)
    if redacted != follow_up.content:
        follow_up.content = redacted
        follow_up.check_in = None if own else follow_up.check_in
        audit.record(session, "follow_up.redact", follow_up.name, None, {"redacted": True})
