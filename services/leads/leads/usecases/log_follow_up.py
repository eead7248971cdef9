"""Log a follow-up on a customer or a lead."""

from chassis.db import ServiceSession

from leads.drafts import FollowUpDraft
from leads.model import FollowUp
from leads.reachable import Customers
from leads.usecases.log_follow_ups import log_follow_ups


def log_follow_up(session: ServiceSession, draft: FollowUpDraft, customers: Customers) -> FollowUp:
    """Log a follow-up and announce it. Raises Invalid, NotFound if the caller cannot see the customer or lead, Denied
    NOT_YOURS if they may see it and no more, Conflict LEAD_CONVERTED, and Exhausted CONTACT_CAP_REACHED."""
    [outcome] = log_follow_ups(session, [draft], customers)
    if isinstance(outcome, FollowUp):
        return outcome
    raise outcome
