"""Who heads whom."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chassis.db import ServiceSession
from sqlalchemy import func, select

from leads.model import KnownDepartment, KnownUser


def head_above(session: ServiceSession, department_path: str | None, user_id: UUID | None) -> UUID | None:
    """The head of a user's department, or of the nearest one above whose head is somebody else and may sign in."""
    line = _line(department_path)
    return session.scalar(
        select(KnownDepartment.head_id)
        .join(KnownUser, KnownUser.id == KnownDepartment.head_id)
        .where(KnownDepartment.path.in_(line), KnownUser.active, KnownDepartment.head_id.is_distinct_from(user_id))
        .order_by(func.length(KnownDepartment.path).desc())
        .limit(1)
    )


def heads_above(
    session: ServiceSession, places: Collection[tuple[UUID, str | None]]
) -> dict[tuple[UUID, str | None], UUID | None]:
    """The same for many users at once, each with the path of their department."""
    lines = {path: _line(path) for _, path in places}
    heads = (
        select(KnownDepartment.path, KnownDepartment.head_id)
        .join(KnownUser, KnownUser.id == KnownDepartment.head_id)
        .where(KnownDepartment.path.in_({one for line in lines.values() for one in line}), KnownUser.active)
    )
    head_of = {row.path: row.head_id for row in session.execute(heads)}
    return {(user_id, path): _nearest(head_of, user_id, lines[path]) for user_id, path in places}


def _line(path: str | None) -> list[str]:
    """The paths of a department and of those above it, from the top."""
    keys = [key for key in (path or "").split("/") if key]
    return [f"{'/'.join(keys[:end])}/" for end in range(1, len(keys) + 1)]


def _nearest(head_of: Mapping[str, UUID], user_id: UUID, line: Sequence[str]) -> UUID | None:
    upwards = (head_of.get(one) for one in reversed(line))
    return next((head for head in upwards if head is not None and head != user_id), None)
