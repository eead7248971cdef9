"""Take somebody who leaves from the head of departments."""

from collections.abc import Sequence
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from sqlalchemy import select

from identity.model import Department


def clear_heads(session: ServiceSession, user_id: UUID) -> Sequence[Department]:
    """Leave the departments that a user heads without a head, announce that, and return them. Needs a hold of the tree.

    Only active users head departments, so this goes with every deactivation.
    """
    headed = select(Department).where(Department.head_id == user_id).order_by(Department.path).with_for_update()
    departments = session.scalars(headed).all()
    for department in departments:
        before = department.snapshot()
        department.head_id = None
        department.version += 1
        department.update_time = session.now
        audit.record(session, "department.update", department.name, before, department.snapshot())
    outbox.emit_all(session, [department.changed(department.path) for department in departments])
    return departments
