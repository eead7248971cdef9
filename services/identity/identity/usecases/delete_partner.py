"""Delete a partner."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.etags import check_etag
from sqlalchemy import exists, select

from identity import queries
from identity.grants import require_everything
from identity.model import User


def delete_partner(session: ServiceSession, partner_id: UUID, etag: str) -> None:
    """Delete a partner that no user belongs to."""
    require_everything(session.caller, "partner.delete")
    partner = queries.get_partner(session, partner_id, lock=True)
    check_etag(etag, partner.version)
    if session.scalar(select(exists().where(User.partner_id == partner_id))):
        message = "users belong to this partner, and what they registered names it: deactivate them instead"
        raise Conflict("PARTNER_HAS_USERS", message, partner=partner.name)
    session.delete(partner)
    session.flush()
    audit.record(session, "partner.delete", partner.name, partner.snapshot(), None)
