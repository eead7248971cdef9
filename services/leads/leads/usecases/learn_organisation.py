"""Keep up with the identity service's users and departments, and with them where customers and leads belong."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from leads.model import KnownCustomer, KnownDepartment, KnownUser, Lead

_ORGANISATION = 0x6F72_6761_6E69_7365


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
    _one_at_a_time(session)
    # Events of a user and of a department come in no common order, so the department's own word on its path counts.
    path = session.scalar(select(KnownDepartment.path).where(KnownDepartment.id == department_id)) or department_path
    place = {"department_id": department_id, "department_path": path}
    values = {"id": user_id, "version": version, "active": active, "partner_id": partner_id, **place}
    if _newer(session, KnownUser, values):
        _move(session, [user_id], path)


def learn_department(
    session: ServiceSession, department_id: UUID, version: int, path: str, *, theatre: bool = False
) -> None:
    """Note a department's path, and whether it is a theatre. Its users, their customers and leads get the path.

    An older version changes nothing. A department below one that moved has an event of its own.
    """
    _one_at_a_time(session)
    if not _newer(
        session, KnownDepartment, {"id": department_id, "version": version, "path": path, "theatre": theatre}
    ):
        return
    users = session.scalars(
        update(KnownUser)
        .where(KnownUser.department_id == department_id)
        .values(department_path=path)
        .returning(KnownUser.id)
        .execution_options(synchronize_session=False)
    ).all()
    _move(session, users, path)


def forget_department(session: ServiceSession, department_id: UUID) -> None:
    """Forget a department that was deleted. Nobody belonged to it any more."""
    _one_at_a_time(session)
    session.execute(delete(KnownDepartment).where(KnownDepartment.id == department_id))


def _move(session: ServiceSession, users: Sequence[UUID], path: str | None) -> None:
    """Put customers and leads where the users are. That is derived, so it is no change of the leads' own version."""
    unowned = and_(Lead.owner_id.is_(None), Lead.registrant_id.in_(users))
    of_users: list[tuple[Any, ColumnElement[bool]]] = [
        (KnownCustomer, KnownCustomer.owner_id.in_(users)),
        (Lead, or_(Lead.owner_id.in_(users), unowned)),
    ]
    for entity, theirs in of_users:
        session.execute(
            update(entity)
            .where(theirs, entity.owner_department_path.is_distinct_from(path))
            .values(owner_department_path=path)
            .execution_options(synchronize_session=False)
        )


def _one_at_a_time(session: ServiceSession) -> None:
    """Let no two changes of the organisation miss each other: each would rewrite paths by what it saw."""
    session.execute(select(func.pg_advisory_xact_lock(_ORGANISATION)))


def _newer(session: ServiceSession, entity: Any, values: dict[str, Any]) -> bool:
    """Store a row unless a version as new is stored. Says whether it was."""
    statement = insert(entity).values(**values)
    statement = statement.on_conflict_do_update(
        index_elements=["id"],
        set_={key: value for key, value in values.items() if key != "id"},
        where=entity.version < statement.excluded.version,
    )
    return session.execute(statement.returning(entity.id)).first() is not None
