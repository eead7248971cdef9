"""Reckon customers to the departments that their owners belong to now."""

from uuid import UUID

from chassis import locks, outbox
from chassis.db import ServiceSession
from chassis.names import make_name
from sqlalchemy import ColumnElement, any_, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from customers.events import OwnersRelocated
from customers.model import Customer, CustomerTheatre, KnownUser

PART = 1_000
"""How many customers follow in one transaction, some 0.2 ms each: nobody who works with them waits for longer."""


def follow_user(session: ServiceSession, user_id: UUID, from_path: str) -> None:
    """Let a user's customers follow, as `follow_department` does."""
    _follow(session, KnownUser.id == user_id, make_name("users", user_id), from_path)


def follow_department(session: ServiceSession, department_id: UUID, from_path: str) -> None:
    """Let the customers of a department's people follow: a part of them now, the others when the rest is announced.

    Where a customer belongs is derived, so following is no change of the customer's own version. Until all have
    followed, some are seen by whom they left, and not yet by whom they go to: by nobody who saw none of them before.
    `from_path` is where most of them are still reckoned to, by which they are found fastest; empty if nobody knows.
    """
    _follow(session, KnownUser.department_id == department_id, make_name("departments", department_id), from_path)


def one_at_a_time(session: ServiceSession) -> None:
    """Let no two changes of the organisation miss each other: each would rewrite paths by what it saw."""
    locks.hold(session, "organisation")


def _follow_theatres(session: ServiceSession, theirs: ColumnElement[bool]) -> None:
    """Let what people follow for theatres be reckoned to where they are now. It stays with its theatre."""
    session.execute(
        update(CustomerTheatre)
        .where(
            CustomerTheatre.owner_id == KnownUser.id,
            theirs,
            CustomerTheatre.end_time.is_(None),
            CustomerTheatre.owner_department_path.is_distinct_from(KnownUser.department_path),
        )
        .values(owner_department_path=KnownUser.department_path)
        .execution_options(synchronize_session=False)
    )


def _follow(session: ServiceSession, theirs: ColumnElement[bool], whose: str, from_path: str) -> None:
    one_at_a_time(session)
    _follow_theatres(session, theirs)
    owned = Customer.owner_id == KnownUser.id
    elsewhere = or_(
        Customer.owner_department_id.is_distinct_from(KnownUser.department_id),
        Customer.owner_department_path.is_distinct_from(KnownUser.department_path),
    )
    wanted = select(Customer.id).join(KnownUser, owned).where(theirs, elsewhere).limit(PART)
    if from_path:
        wanted = wanted.where(Customer.owner_department_path == from_path)
    # Found first, and not by the statement that changes them: for a user who has had few customers until now, it would
    # be planned to look for all of them again for each.
    part = session.scalars(wanted).all()
    if part:
        session.execute(
            update(Customer)
            # What was given to somebody else meanwhile is no longer theirs.
            .where(Customer.id == any_(literal(part, ARRAY(Uuid))), owned, theirs)
            .values(owner_department_id=KnownUser.department_id, owner_department_path=KnownUser.department_path)
            .execution_options(synchronize_session=False)
        )
    if len(part) == PART:
        outbox.emit(session, OwnersRelocated(whose, from_path))
    elif from_path:
        _follow(session, theirs, whose, "")  # those who had not arrived there from a move before
