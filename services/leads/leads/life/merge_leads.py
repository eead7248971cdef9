"""Make two leads one."""

from collections.abc import Collection
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.etags import check_etag
from chassis.field_rules import require_writable
from chassis.personal_data import Finding, deleted, refuse_held
from chassis.rules import MAX_LIST, refuse
from sqlalchemy import update

from leads.events import LeadDeleted
from leads.facts import snapshot
from leads.lead_queries import ENTITY, lock_lead
from leads.life.statuses import require_idle
from leads.life.timeline import note
from leads.model import CaptureSubmission, FollowUp, Lead, LeadEvent, LeadEventKind
from leads.offline.conflicts import forget_conflicts
from leads.playbooks import merging
from leads.rules import LEAD_RULES, nameless
from leads.subjects import follow_lead_merge
from leads.usecases.update_lead import announce

_LISTS = ("phones", "emails")
_ORIGIN = "external_id"
TEXTS = tuple(field for field in LEAD_RULES if field not in _LISTS and not field.startswith("status"))
"""The fields that the lead that stays gets from the other one if it says nothing, or if they are to be taken."""


def merge_leads(
    session: ServiceSession, lead_id: UUID, other_id: UUID, taken: Collection[str] = (), *, etag: str = ""
) -> Lead:
    """Make another lead one with a lead, and announce that. The audit log keeps the whole of the other one.

    Raises Invalid SAME_LEAD, UNKNOWN_FIELD, or TOO_MANY numbers; Denied FIELD_NOT_WRITABLE for what is to be taken;
    Conflict LEAD_CONVERTED, CONVERSION_UNDER_WAY, REGISTRATION_STAYS or LEGAL_HOLD.
    """
    if lead_id == other_id:
        raise Invalid("SAME_LEAD", "name two leads", field="other")
    if unknown := sorted(set(taken) - set(TEXTS)):
        message = f"{unknown[0]} is none of {', '.join(TEXTS)}"
        raise Invalid("UNKNOWN_FIELD", message, field="taken_fields", name=unknown[0])
    for field in taken:
        require_writable(session.caller, ENTITY, field, path="taken_fields")
    # In one order, so that two merges of the same leads never wait for each other.
    locked = {key: lock_lead(session, key, "lead.merge") for key in sorted((lead_id, other_id))}
    lead, other = locked[lead_id], locked[other_id]
    check_etag(etag, lead.version)
    for one in (lead, other):
        require_idle(session, one)
    if other.partner_id is not None:
        raise Conflict("REGISTRATION_STAYS", "a partner follows the other lead: merge this one into it instead")
    marks = frozenset({*other.phones, *other.emails})
    refuse_held(session, {other.name}, marks)
    before, whole = snapshot(lead), snapshot(other)
    _give_all(session, other_id, lead_id)
    names = {other.contact_name} if other.contact_name else set()
    deleted.set_aside(session, Finding("lead", other.name, whole, marks=marks), names)
    audit.record(session, "lead.merge", other.name, whole, {"merged_into": lead.name})
    forget_conflicts(session, other_id)
    session.delete(other)
    session.flush()  # before the other's external id, which no two leads bear, is the lead's
    _take(lead, other, taken)
    note(session, lead, LeadEventKind.MERGED, after=other.name)
    outbox.emit(session, LeadDeleted(other.name, other.version, lead.name))
    return announce(session, lead, before, "lead.merge")


def _take(lead: Lead, other: Lead, taken: Collection[str]) -> None:
    """Let a lead say what the other one says: what is to be taken, what it lacks, and all numbers and addresses."""
    for field in TEXTS:
        if field != _ORIGIN and (field in taken or getattr(lead, field) is None):
            setattr(lead, field, getattr(other, field))
    # An external id is one of its source, so that the two go together.
    same_source = lead.capture_source_id in (None, other.capture_source_id)
    if _ORIGIN in taken or (lead.external_id is None and other.external_id is not None and same_source):
        lead.external_id, lead.capture_source_id = other.external_id, other.capture_source_id
    refuse(nameless({"company_name": lead.company_name, "contact_name": lead.contact_name}))
    for field in _LISTS:
        united = list(dict.fromkeys([*getattr(lead, field), *getattr(other, field)]))
        if len(united) > MAX_LIST:
            raise Invalid("TOO_MANY", f"at most {MAX_LIST} fit: remove some of either lead first", field=field)
        setattr(lead, field, united)
    for field in ("last_follow_up_time", "last_effective_follow_up_time"):
        times = [time for time in (getattr(lead, field), getattr(other, field)) if time is not None]
        setattr(lead, field, max(times, default=None))
    lead.refresh_keys()


def _give_all(session: ServiceSession, other_id: UUID, lead_id: UUID) -> None:
    """Let all that is about a lead be about another one."""
    for table in (FollowUp, LeadEvent, CaptureSubmission):
        moved = update(table).where(table.lead_id == other_id).values(lead_id=lead_id)
        session.execute(moved.execution_options(synchronize_session=False))
    follow_lead_merge(session, other_id, lead_id)
    merging.follow_lead_merge(session, other_id, lead_id)
