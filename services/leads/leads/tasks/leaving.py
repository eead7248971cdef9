"""Give the tasks of somebody who leaves to successors. Nothing but the assignee changes."""

from collections.abc import Sequence
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.handover import Move, find_successors
from chassis.names import make_name
from sqlalchemy import ColumnElement, and_, select

from leads.model import Task
from leads.owners import find_owner
from leads.tasks.queries import unended


def assigned_to(user_id: UUID) -> ColumnElement[bool]:
    """Whether a user still has to do a task."""
    return and_(Task.assignee_id == user_id, unended())


def hand_over_tasks(session: ServiceSession, leaver_id: UUID, moves: Sequence[Move]) -> list[UUID]:
    """Give tasks to their successors, who see them in their lists."""
    owners = find_successors(session, moves, find_owner)
    successors = {move.record_id: move.successor_id for move in moves}
    wanted = select(Task).where(Task.id.in_(successors), assigned_to(leaver_id)).order_by(Task.id)
    tasks = session.scalars(wanted.with_for_update()).all()
    changes = []
    for task in tasks:
        owner = owners[successors[task.id]]
        task.assignee_id, task.assignee_department_path = owner.id, owner.department_path
        task.version += 1
        task.update_time = session.now
        before, after = ({"assignee": make_name("users", key)} for key in (leaver_id, owner.id))
        changes.append(audit.Change("task.hand_over", task.name, before, after))
    session.flush()
    audit.record_all(session, changes)
    return [task.id for task in tasks]
