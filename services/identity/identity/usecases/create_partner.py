"""Create a partner."""

from dataclasses import dataclass
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.formats import email, phone
from chassis.names import make_name, new_id
from chassis.rules import optional_text

from identity.model import Partner, User, label
from identity.uniqueness import flush_unique

MAX_REMARK = 5_000


@dataclass(frozen=True)
class PartnerDraft:
    """What callers say of a partner."""

    display_name: str
    contact_name: str = ""
    contact_phone: str = ""
    contact_email: str = ""
    manager_id: UUID | None = None
    remark: str = ""


def create_partner(session: ServiceSession, draft: PartnerDraft) -> Partner:
    """Add an organisation whose people may become users."""
    session.caller.require_everything("partner.create")
    partner = Partner(
        id=new_id(),
        display_name=label(draft.display_name, field="display_name"),
        contact_name=text(draft.contact_name, field="contact_name", maximum=100),
        contact_phone=contact_phone(draft.contact_phone),
        contact_email=contact_email(draft.contact_email),
        manager_id=check_manager(session, draft.manager_id),
        remark=text(draft.remark, field="remark", maximum=MAX_REMARK, lines=True),
        version=1,
        create_time=session.now,
        update_time=session.now,
    )
    session.add(partner)
    flush_unique(session)
    audit.record(session, "partner.create", partner.name, None, partner.snapshot())
    return partner


def text(value: str, *, field: str, maximum: int, lines: bool = False) -> str | None:
    """A text as it is kept. Raises Invalid, naming the field."""
    try:
        return optional_text(value, maximum=maximum, lines=lines)
    except Invalid as error:
        raise Invalid(error.reason, error.message, field=field) from None


def contact_phone(value: str) -> str | None:
    """A phone number in E.164."""
    return phone(value, field="contact_phone") if value.strip() else None


def contact_email(value: str) -> str | None:
    """An e-mail address."""
    return email(value, field="contact_email") if value.strip() else None


def check_manager(session: ServiceSession, manager_id: UUID | None) -> UUID | None:
    """The manager's id. Raises Invalid unless it is an employee who may sign in."""
    if manager_id is not None:
        manager = session.get(User, manager_id)
        if manager is None or not manager.active or manager.partner_id is not None:
            message = f"{make_name('users', manager_id)} is no employee who may sign in"
            raise Invalid("UNKNOWN_MANAGER", message, field="manager")
    return manager_id
