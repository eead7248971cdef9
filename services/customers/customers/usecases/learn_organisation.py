"""Keep up with the identity service's users and departments, and with them the departments of customers' owners."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from chassis.names import make_name
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from customers.model import KnownDepartment, KnownUser
from customers.usecases.end_shares import end_shares_with
from customers.usecases.follow_owners import follow_department, follow_user, one_at_a_time


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


def forget_department(session: ServiceSession, department_id: UUID) -> None:
    """Forget a department that was deleted. Nobody belonged to it any more; what is shared with it no longer is."""
    one_at_a_time(session)
    end_shares_with(session, make_name("departments", department_id))
    session.execute(delete(KnownDepartment).where(KnownDepartment.id == department_id))


def _newer(session: ServiceSession, entity: Any, values: dict[str, Any]) -> bool:
    """Store a row unless a version as new is stored. Says whether it was."""
    statement = insert(entity).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=["id"],
        set_={key: value for key, value in values.items() if key != "id"},
        where=entity.version < statement.excluded.version,
    )
    return session.execute(statement.returning(entity.id)).first() is not None
