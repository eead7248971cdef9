"""Delete a partner."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.etags import check_etag
from chassis.personal_data import refuse_held
from sqlalchemy import exists, select

from identity import queries
from identity.model import User


def delete_partner(session: ServiceSession, partner_id: UUID, etag: str) -> None:
    """Delete a partner that no user belongs to. Raises Conflict LEGAL_HOLD if its contact's data must be kept."""
    session.caller.require_everything("partner.delete")
    partner = queries.get_partner(session, partner_id, lock=True)
    check_etag(etag, partner.version)
    if session.scalar(select(exists().where(User.partner_id == partner_id))):
        message = "users belong to this partner, and what they registered names it: deactivate them instead"
        raise Conflict("PARTNER_HAS_USERS", message, partner=partner.name)
    refuse_held(session, {partner.name}, filter(None, [partner.contact_phone, partner.contact_email]))
    session.delete(partner)
    session.flush()
    audit.record(session, "partner.delete", partner.name, partner.snapshot(), None)
