"""Change a partner."""

from collections.abc import Set
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from identity import queries
from identity.model import Partner, label
from identity.uniqueness import flush_unique
from identity.usecases.create_partner import (
    MAX_REMARK,
    PartnerDraft,
    check_manager,
    contact_email,
    contact_phone,
    text,
)

FIELDS = frozenset({"display_name", "contact_name", "contact_phone", "contact_email", "manager", "remark"})


def update_partner(
    session: ServiceSession, partner_id: UUID, draft: PartnerDraft, paths: Set[str], etag: str
) -> Partner:
    """Change the fields at `paths` to what the draft says."""
    session.caller.require_everything("partner.update")
    partner = queries.get_partner(session, partner_id, lock=True)
    check_etag(etag, partner.version)
    before = partner.snapshot()
    _apply(session, partner, draft, paths)
    if partner.snapshot() == before:
        return partner
    partner.version += 1
    partner.update_time = session.now
    flush_unique(session)
    audit.record(session, "partner.update", partner.name, before, partner.snapshot())
    return partner


def _apply(session: ServiceSession, partner: Partner, draft: PartnerDraft, paths: Set[str]) -> None:
    if "display_name" in paths:
        partner.display_name = label(draft.display_name, field="display_name")
    if "contact_name" in paths:
        partner.contact_name = text(draft.contact_name, field="contact_name", maximum=100)
    if "contact_phone" in paths:
        partner.contact_phone = contact_phone(draft.contact_phone)
    if "contact_email" in paths:
        partner.contact_email = contact_email(draft.contact_email)
    if "manager" in paths:
        partner.manager_id = check_manager(session, draft.manager_id)
    if "remark" in paths:
        partner.remark = text(draft.remark, field="remark", maximum=MAX_REMARK, lines=True)
