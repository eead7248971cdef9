"""Who looks after a customer."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.prepared import Prepared, Sent
from sqlalchemy import bindparam, select

from customers.model import Customer, KnownUser


@dataclass(frozen=True)
class Owner:
    """A user who can own customers, with the department that the customers are reckoned to."""

    id: UUID
    display_name: str
    department_id: UUID | None
    department_path: str | None


_KNOWN_USER = Prepared(select(*KnownUser.__table__.c).where(KnownUser.id == bindparam("id")).with_for_update(read=True))


def find_owner(session: ServiceSession, user_id: UUID) -> Owner:
    """The user as an owner. Raises Invalid UNKNOWN_OWNER or INACTIVE_OWNER.

    The user is share-locked until the transaction ends: a department move, which rewrites the paths of users and
    then of their customers, waits for it and so misses no customer.
    """
    return owner_of(session, user_id, _KNOWN_USER.first(session, id=user_id))


def send_user(session: ServiceSession, user_id: UUID) -> Sent:
    """Ask for the user, for `owner_of`, within a pipeline."""
    return _KNOWN_USER.send(session, id=user_id)


def owner_of(session: ServiceSession, user_id: UUID, user: Any | None) -> Owner:
    """The same as `find_owner`, of what is known of the user."""
    if user is not None:
        if not user.active:
            raise Invalid("INACTIVE_OWNER", "this user may not sign in and cannot be given customers", field="owner")
        return Owner(user.id, user.display_name, user.department_id, user.department_path)
    if user_id == session.caller.user_id:
        # A user who was created a moment ago, and whose event is still on its way.
        path = session.caller.department_path
        return Owner(user_id, "", department_of(path), path or None)
    raise Invalid("UNKNOWN_OWNER", "there is no such user", field="owner")


def department_of(path: str) -> UUID | None:
    """The department that a path leads to: its last part."""
    return UUID(path.rstrip("/").rsplit("/", 1)[-1]) if path else None


def set_owner(customer: Customer, owner: Owner | None) -> None:
    """Give a customer to an owner, or to nobody."""
    customer.owner_id = owner.id if owner else None
    customer.owner_department_id = owner.department_id if owner else None
    customer.owner_department_path = owner.department_path if owner else None
