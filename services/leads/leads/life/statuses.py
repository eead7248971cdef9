"""How far leads may come from where they are.

A lead goes on from NEW over CONTACTED to QUALIFIED, and may leave out steps; a qualified one may turn out to be worth
less. It is given up (DISQUALIFIED) from anywhere, for a reason of the company's list, and taken up again as NEW or
CONTACTED. It becomes CONVERTED by a conversion alone, and nothing else after that.
"""

from collections.abc import Mapping
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Conflict, Invalid
from chassis.names import make_name
from sqlalchemy import select

from leads.duplicates import refuse_protected
from leads.life.rules import life_rules
from leads.model import ConversionState, Lead, LeadConversion, LeadStatus

TRANSITIONS: Mapping[LeadStatus, frozenset[LeadStatus]] = {
    LeadStatus.NEW: frozenset({LeadStatus.CONTACTED, LeadStatus.QUALIFIED, LeadStatus.DISQUALIFIED}),
    LeadStatus.CONTACTED: frozenset({LeadStatus.QUALIFIED, LeadStatus.DISQUALIFIED}),
    LeadStatus.QUALIFIED: frozenset({LeadStatus.CONTACTED, LeadStatus.DISQUALIFIED}),
    LeadStatus.DISQUALIFIED: frozenset({LeadStatus.NEW, LeadStatus.CONTACTED}),
    LeadStatus.CONVERTED: frozenset(),
}
"""Status → those that people may set next."""

OPEN = frozenset({LeadStatus.NEW, LeadStatus.CONTACTED, LeadStatus.QUALIFIED})
"""The statuses of leads that are worked on."""


def move(session: ServiceSession, lead: Lead, status: str, *, reason: str = "", note: str | None = None) -> None:
    """Give a lead, which must be locked, another status. Announce it afterwards. The same status changes nothing but
    the reason and note, if any are given.

    Raises Conflict LEAD_CONVERTED, CONVERSION_UNDER_WAY or STATUS_NOT_REACHABLE; Invalid REASON_REQUIRED,
    UNKNOWN_REASON or REASON_NOT_WANTED; Duplicate if a partner's registration protects the company of a lead that is
    taken up again.
    """
    before, after = LeadStatus(lead.status), LeadStatus(status)
    if after is not before:
        require_idle(session, lead)
        if after not in TRANSITIONS[before]:
            allowed = ", ".join(sorted(TRANSITIONS[before]))
            message = f"a lead that is {before} becomes one of {allowed} next"
            raise Conflict("STATUS_NOT_REACHABLE", message, status=before, allowed=allowed)
    elif not reason and note is None:
        return
    lead.status_reason = checked_reason(session, after, reason or (lead.status_reason or "" if after is before else ""))
    lead.status_note = lead.status_note if after is before and note is None else note
    lead.status = after
    if before is LeadStatus.DISQUALIFIED and after is not before:
        refuse_protected(session, lead)


def checked_reason(session: ServiceSession, status: str, reason: str) -> str | None:
    """The reason to keep with a status: None unless a lead is given up. Raises Invalid."""
    if status != LeadStatus.DISQUALIFIED:
        if reason:
            message = "reasons are given for leads that lead nowhere; leave it out"
            raise Invalid("REASON_NOT_WANTED", message, field="status_reason")
        return None
    if not reason:
        raise Invalid("REASON_REQUIRED", "say why, by a reason of the company's list", field="status_reason")
    if not life_rules(session).gives(reason):
        raise Invalid("UNKNOWN_REASON", "choose a reason of the company's list", field="status_reason")
    return reason


def has_converted(lead: Lead) -> Conflict:
    """The refusal of what is done with leads only, for one that has become a customer."""
    customer = make_name("customers", lead.converted_customer_id)
    return Conflict("LEAD_CONVERTED", "the lead has become a customer; go on there", customer=customer)


def require_idle(session: ServiceSession, lead: Lead) -> None:
    """Raise Conflict LEAD_CONVERTED if a lead, which must be locked, has become a customer, and CONVERSION_UNDER_WAY
    if it may be about to."""
    if lead.status == LeadStatus.CONVERTED:
        raise has_converted(lead)
    if conversion_under_way(session, lead.id):
        raise Conflict("CONVERSION_UNDER_WAY", "the lead is becoming a customer; try again in a minute")


def conversion_under_way(session: ServiceSession, lead_id: UUID) -> bool:
    """Whether a lead may be about to become a customer."""
    started = select(LeadConversion.id).where(
        LeadConversion.lead_id == lead_id, LeadConversion.state == ConversionState.STARTED
    )
    return session.scalar(started) is not None
