"""Keep up with the identity service's users and departments, and with them the departments of customers' owners."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import notifications
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name
from chassis.sharing import RecordShare
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from customers.model import KnownDepartment, KnownUser
from customers.theatres.assignments import end_of_department
from customers.usecases.end_shares import end_shares_with
from customers.usecases.follow_owners import follow_department, follow_user, one_at_a_time

MOST_NAMED = 50
"""How many of the customers whose shares ended are named to who shared them."""


@dataclass(frozen=True)
class UserFacts:
    """A user as an event tells it."""

    id: UUID
    version: int
    username: str
    display_name: str
    department_id: UUID | None
    department_path: str | None
    active: bool


@dataclass(frozen=True)
class DepartmentFacts:
    """A department as an event tells it."""

    id: UUID
    version: int
    display_name: str
    path: str
    head_id: UUID | None = None
    theatre: bool = False


def learn_user(session: ServiceSession, facts: UserFacts) -> None:
    """Note a user. The user's customers move along into the user's department, and what is shared with a deactivated
    user is shared no more. An older version changes nothing."""
    one_at_a_time(session)
    # Events of a user and of a department come in no common order, so the department's own word on its path counts.
    path = session.scalar(select(KnownDepartment.path).where(KnownDepartment.id == facts.department_id))
    values = vars(facts) | {"department_path": path or facts.department_path}
    before = session.scalar(select(KnownUser.department_path).where(KnownUser.id == facts.id))
    if not _newer(session, KnownUser, values):
        return
    if not facts.active:
        end_shares_with(session, make_name("users", facts.id))
    follow_user(session, facts.id, before or "")


def learn_department(session: ServiceSession, facts: DepartmentFacts) -> None:
    """Note a department. Its users and their customers get its new path. An older version changes nothing.

    A department below one that moved has an event of its own.
    """
    one_at_a_time(session)
    before = session.scalar(select(KnownDepartment.path).where(KnownDepartment.id == facts.id))
    if not _newer(session, KnownDepartment, vars(facts)):
        return
    session.execute(
        update(KnownUser)
        .where(KnownUser.department_id == facts.id, KnownUser.department_path.is_distinct_from(facts.path))
        .values(department_path=facts.path)
        .execution_options(synchronize_session=False)
    )
    follow_department(session, facts.id, before or "")


def forget_department(session: ServiceSession, department_id: UUID, merged_into: UUID | None = None) -> None:
    """Forget a department that was deleted. Nobody belongs to it any more; what is shared with it no longer is, and
    as a theatre it follows no customer any more.

    Shares do not follow into a department that it was merged into: its other people have seen none of these
    customers before. Who shared them is told, to share them anew with whom they choose.
    """
    one_at_a_time(session)
    end_of_department(session, department_id)
    ended = end_shares_with(session, make_name("departments", department_id))
    if merged_into is not None:
        _tell_givers(session, ended, department_id, merged_into)
    session.execute(delete(KnownDepartment).where(KnownDepartment.id == department_id))


def _tell_givers(session: ServiceSession, ended: Sequence[RecordShare], department_id: UUID, merged_into: UUID) -> None:
    customers: dict[UUID, list[UUID]] = {}
    for share in ended:
        if share.creator.startswith("users/"):
            customers.setdefault(parse_name("users", share.creator, field="creator"), []).append(share.record_id)
    known = select(KnownDepartment.id, KnownDepartment.display_name)
    rows = session.execute(known.where(KnownDepartment.id.in_([department_id, merged_into])))
    labels: dict[UUID, str] = {row.id: row.display_name for row in rows}
    active = session.scalars(select(KnownUser.id).where(KnownUser.id.in_(customers), KnownUser.active))
    for giver in sorted(active):
        params = {
            "count": str(len(customers[giver])),
            "customers": [make_name("customers", key) for key in customers[giver][:MOST_NAMED]],
            "department_name": labels.get(department_id, ""),
            "into_name": labels.get(merged_into, ""),
        }
        notifications.notify(session, giver, "CUSTOMER_SHARES_ENDED", make_name("departments", merged_into), params)


def _newer(session: ServiceSession, entity: Any, values: dict[str, Any]) -> bool:
    """Store a row unless a version as new is stored. Says whether it was."""
    statement = insert(entity).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=["id"],
        set_={key: value for key, value in values.items() if key != "id"},
        where=entity.version < statement.excluded.version,
    )
    return session.execute(statement.returning(entity.id)).first() is not None
