"""Reads of offboardings: those of people whom the caller may let leave."""

from collections.abc import Sequence
from uuid import UUID

from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.names import make_name
from chassis.paging import Page, SortKey, fetch_page
from sqlalchemy import Select, select

from identity.model import Department, Offboarding, User
from identity.queries import visible

PERMISSION = "user.offboard"

_NEWEST = (
    SortKey(Offboarding.create_time, descending=True, nullable=False),
    SortKey(Offboarding.id, descending=True, nullable=False),
)


def get_offboarding(session: ServiceSession, offboarding_id: UUID, *, lock: bool = False) -> Offboarding:
    """An offboarding. Raises NotFound."""
    statement = _visible(session).where(Offboarding.id == offboarding_id)
    found = session.scalars(statement.with_for_update(of=Offboarding) if lock else statement).one_or_none()
    if found is None:
        name = make_name("offboardings", offboarding_id)
        raise NotFound("OFFBOARDING_NOT_FOUND", "there is no such offboarding", offboarding=name)
    return found


def list_offboardings(session: ServiceSession, size: int, token: str) -> Page[Offboarding]:
    """A page of the offboardings, newest first."""
    return fetch_page(session, _visible(session), _NEWEST, size, token, "offboardings")


def headed_departments(session: ServiceSession, user_id: UUID) -> Sequence[UUID]:
    """The departments that a user heads, in the order of the tree."""
    headed = select(Department.id).where(Department.head_id == user_id).order_by(Department.path)
    return session.scalars(headed).all()


def _visible(session: ServiceSession) -> Select[Offboarding]:
    scope = session.caller.scope(PERMISSION)
    return select(Offboarding).join(User, User.id == Offboarding.user_id).where(visible(scope))
