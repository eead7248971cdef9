"""Take a person out of what this service holds."""

from collections.abc import Sequence
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.names import parse_name
from chassis.personal_data import Finding, Person, pseudonym
from sqlalchemy import delete, update

from identity.model import (
    AccountToken,
    FormerPassword,
    LinkedIdentity,
    LoginSession,
    Offboarding,
    Partner,
    SavedView,
    TotpFactor,
    User,
    UserSettings,
)
from identity.policy import bump_policy

USER, PARTNER_CONTACT = "user", "partner_contact"
_USERNAME = "deleted-{}"
_ID_DIGITS = 12


def erase_users(session: ServiceSession, person: Person, findings: Sequence[Finding]) -> None:
    """Take the person out of users who have left, and remove what belongs to them. What they did stays theirs by id.
    Partners are left with nobody to talk to."""
    for found in findings:
        if found.kind == PARTNER_CONTACT:
            _erase_contact(session, parse_name("partners", found.name))
    users = [parse_name("users", found.name) for found in findings if found.kind == USER]
    if users:
        bump_policy(session)
    for user_id in users:
        _erase(session, user_id)


def _erase_contact(session: ServiceSession, partner_id: UUID) -> None:
    partner = session.get(Partner, partner_id, with_for_update=True)
    if partner is None:
        return
    partner.contact_name = partner.contact_phone = partner.contact_email = None
    partner.version += 1
    partner.update_time = session.now
    session.flush()
    audit.record(session, "partner.redact", partner.name, None, {"version": partner.version})


def _erase(session: ServiceSession, user_id: UUID) -> None:
    user = session.get(User, user_id, with_for_update={"of": User})
    if user is None or user.active:
        return
    user.username = _USERNAME.format(user.id.hex[-_ID_DIGITS:])
    user.display_name = pseudonym(user.id)
    user.email = user.phone = user.login_phone = None
    user.password_hash = user.password_time = None
    user.roles = []
    user.version += 1
    user.update_time = session.now
    session.flush()
    for entity in (TotpFactor, LinkedIdentity, AccountToken, FormerPassword, UserSettings):
        session.execute(delete(entity).where(entity.user_id == user_id))
    session.execute(delete(SavedView).where(SavedView.owner_id == user_id))
    # The sessions themselves stay: they are what entries of the audit log name.
    sessions = update(LoginSession).where(LoginSession.user_id == user_id).values(agent="", address="")
    session.execute(sessions, execution_options={"synchronize_session": False})
    reasons = update(Offboarding).where(Offboarding.user_id == user_id).values(reason="")
    session.execute(reasons, execution_options={"synchronize_session": False})
    audit.record(session, "user.erase", user.name, None, {"version": user.version})
    outbox.emit(session, user.changed())
