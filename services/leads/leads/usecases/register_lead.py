"""Register a company as a partner."""

from datetime import timedelta

from chassis.db import ServiceSession
from chassis.errors import Denied, Invalid

from leads.duplicates import refuse_registered
from leads.model import Lead, RegistrationState
from leads.owners import department_of_caller
from leads.usecases.create_lead import LeadDraft, keep, new_lead


def register_lead(session: ServiceSession, draft: LeadDraft, protection: timedelta) -> Lead:
    """Register a company for an employee to approve; it is protected meanwhile, for as long as an approved one is.

    Raises Denied PARTNERS_ONLY for anybody but a partner's user, and Duplicate, which tells nothing else, if the
    company is registered, a lead or a customer already.
    """
    if session.caller.partner_id is None:
        raise Denied("PARTNERS_ONLY", "only partners register leads; create the lead instead")
    decided = [field for field in ("status", "external_id") if field in draft.values]
    if draft.owner_id is not None or decided:
        field = "owner" if draft.owner_id is not None else decided[0]
        raise Invalid(
            "NOT_FOR_PARTNERS", "this is decided when the registration is approved; leave it out", field=field
        )
    lead = new_lead(session, draft)
    if not lead.company_name:
        raise Invalid("REQUIRED", "name the company", field="company_name")
    lead.owner_department_path = department_of_caller(session)
    lead.registration_state = RegistrationState.PENDING_APPROVAL
    lead.protection_expire_time = session.now + protection
    refuse_registered(session, lead)
    return keep(session, lead, "lead.register")
