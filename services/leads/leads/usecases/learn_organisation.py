"""Keep up with the identity service's users and departments, and with them where customers and leads belong."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from leads.locking import change_organisation
from leads.model import KnownCustomer, KnownDepartment, KnownTheatre, KnownUser, Lead, WaitingLead
from leads.subjects import follow_assignees


def learn_user(
    session: ServiceSession,
    user_id: UUID,
    version: int,
    department_id: UUID | None,
    department_path: str | None,
    *,
    active: bool = True,
    partner_id: UUID | None = None,
) -> None:
    """Note a user and their department. Their customers and leads move along. An older version changes nothing.

    The user is locked before the customers, and `learn_customers` share-locks it, so that no customer is missed.
    """
    change_organisation(session)
    # Events of a user and of a department come in no common order, so the department's own word on its path counts.
    path = session.scalar(select(KnownDepartment.path).where(KnownDepartment.id == department_id)) or department_path
    place = {"department_id": department_id, "department_path": path}
    values = {"id": user_id, "version": version, "active": active, "partner_id": partner_id, **place}
    if _newer(session, KnownUser, values):
        _move(session, [user_id], path)


def learn_department(
    session: ServiceSession,
    department_id: UUID,
    version: int,
    path: str,
    *,
    theatre: bool = False,
    head_id: UUID | None = None,
) -> None:
    """Note a department's path and head, and whether it is a theatre. Its users, their customers and leads, and the
    leads of the pool that it looks after get the path.

    An older version changes nothing. A department below one that moved has an event of its own.
    """
    change_organisation(session)
    values = {"id": department_id, "version": version, "path": path, "theatre": theatre, "head_id": head_id}
    if not _newer(session, KnownDepartment, values):
        return
    users = session.scalars(
        update(KnownUser)
        .where(KnownUser.department_id == department_id)
        .values(department_path=path)
        .returning(KnownUser.id)
        .execution_options(synchronize_session=False)
    ).all()
    _move(session, users, path)
    _move_pool(session, department_id, path)


def _move_pool(session: ServiceSession, department_id: UUID, path: str) -> None:
    """Put the leads where the department is that looks after them because nobody owns them."""
    pooled = select(WaitingLead.lead_id).where(WaitingLead.fallback_department_id == department_id)
    session.execute(
        update(Lead)
        .where(Lead.id.in_(pooled), Lead.owner_id.is_(None), Lead.owner_department_path.is_distinct_from(path))
        .values(owner_department_path=path)
        .execution_options(synchronize_session=False)
    )


def forget_department(session: ServiceSession, department_id: UUID) -> None:
    """Forget a department that was deleted. Nobody belonged to it any more."""
    change_organisation(session)
    session.execute(delete(KnownDepartment).where(KnownDepartment.id == department_id))


def _move(session: ServiceSession, users: Sequence[UUID], path: str | None) -> None:
    """Put customers, leads and work where the users are. That is derived, so it changes no version."""
    pooled = exists().where(WaitingLead.lead_id == Lead.id, WaitingLead.fallback_department_id.is_not(None))
    unowned = and_(Lead.owner_id.is_(None), Lead.registrant_id.in_(users), ~pooled)
    of_users: list[tuple[Any, ColumnElement[bool]]] = [
        (KnownCustomer, KnownCustomer.owner_id.in_(users)),
        (KnownTheatre, KnownTheatre.owner_id.in_(users)),
        (Lead, or_(Lead.owner_id.in_(users), unowned)),
    ]
    for entity, theirs in of_users:
        session.execute(
            update(entity)
            .where(theirs, entity.owner_department_path.is_distinct_from(path))
            .values(owner_department_path=path)
            .execution_options(synchronize_session=False)
        )
    follow_assignees(session, users, path)


def _newer(session: ServiceSession, entity: Any, values: dict[str, Any]) -> bool:
    """Store a row unless a version as new is stored. Says whether it was."""
    statement = insert(entity).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=["id"],
        set_={key: value for key, value in values.items() if key != "id"},
        where=entity.version < statement.excluded.version,
    )
    return session.execute(statement.returning(entity.id)).first() is not None
