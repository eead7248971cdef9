"""What is said about a lead to others: to the services that listen, and to the audit log."""

from typing import Any

from chassis.names import make_name
from chassis.snapshots import filled

from leads.events import LeadState
from leads.model import Lead

_TEXTS = (
    "company_name", "contact_name", "phones", "emails", "wechat", "credit_code", "source", "channel", "industry",
    "province", "city", "requirement", "remark", "status", "status_reason", "status_note", "registrant",
    "registration_state", "rejection_reason",
    "source_detail", "medium", "campaign", "campaign_term", "campaign_content", "landing_page", "external_id",
)  # fmt: skip


def state(lead: Lead) -> LeadState:
    """What other services keep of a lead."""
    return LeadState(
        lead=lead.name,
        version=lead.version,
        company_name=lead.company_name or "",
        status=lead.status,
        registration_state=lead.registration_state or "",
        owner=make_name("users", lead.owner_id),
        owner_department_path=lead.owner_department_path or "",
        registrant=lead.registrant,
        partner=make_name("partners", lead.partner_id),
    )


def snapshot(lead: Lead) -> dict[str, Any]:
    """All that a lead holds, for the audit log. What is empty is left out."""
    values = {key: getattr(lead, key) for key in _TEXTS}
    expires = lead.protection_expire_time
    values |= {
        "capture_source": make_name("captureSources", lead.capture_source_id),
        "opt_in_time": lead.opt_in_time.isoformat() if lead.opt_in_time is not None else None,
        "repeat_count": lead.repeat_count or None,
        "repeat_time": lead.repeat_time.isoformat() if lead.repeat_time is not None else None,
        "owner": make_name("users", lead.owner_id),
        "partner": make_name("partners", lead.partner_id),
        "converted_customer": make_name("customers", lead.converted_customer_id),
        "converted_contact": make_name("contacts", lead.converted_contact_id),
        "protection_expire_time": expires.isoformat() if expires is not None else None,
        "version": lead.version,
    }
    if lead.assignment_skipped:
        values["assignment_skipped"] = True
    return filled(values)
