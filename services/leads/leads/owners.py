"""Who works on a lead."""

from dataclasses import dataclass
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from sqlalchemy import select

from leads.model import KnownUser, Lead


@dataclass(frozen=True)
class Owner:
    """An employee who can own leads, with the department that the leads are reckoned to."""

    id: UUID
    department_path: str | None


def find_owner(session: ServiceSession, user_id: UUID, *, field: str = "owner") -> Owner:
    """The user as an owner. Raises Invalid UNKNOWN_OWNER or INACTIVE_OWNER.

    The user is share-locked until the transaction ends: see `learn_organisation`.
    """
    user = session.scalars(select(KnownUser).where(KnownUser.id == user_id).with_for_update(read=True)).first()
    if user is None:
        if user_id != session.caller.user_id:
            raise Invalid("UNKNOWN_OWNER", "there is no such user", field=field)
        # A user who was created a moment ago, and whose event is still on its way.
        return Owner(user_id, session.caller.department_path or None)
    if user.partner_id is not None:
        raise Invalid("UNKNOWN_OWNER", "a partner's user cannot be given work; name an employee", field=field)
    if not user.active:
        raise Invalid("INACTIVE_OWNER", "this user may not sign in and cannot be given work", field=field)
    return Owner(user.id, user.department_path)


def set_owner(lead: Lead, owner: Owner) -> None:
    """Give a lead to an owner."""
    lead.owner_id, lead.owner_department_path = owner.id, owner.department_path


def department_of_caller(session: ServiceSession) -> str | None:
    """Where a lead is reckoned to that the caller registers and nobody owns. The caller is locked as an owner is."""
    statement = select(KnownUser).where(KnownUser.id == session.caller.user_id)
    known = session.scalars(statement.with_for_update(read=True)).first()
    return known.department_path if known else session.caller.department_path or None
