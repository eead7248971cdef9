"""Delete a department."""

from collections.abc import Iterable
from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.etags import check_etag
from chassis.names import make_name
from sqlalchemy import exists, or_, select

from identity import queries
from identity.events import DepartmentDeleted
from identity.locks import lock_tree
from identity.model import Client, DeletedDepartment, Department, Role, User


def delete_department(session: ServiceSession, department_id: UUID, etag: str) -> None:
    """Delete a department that is empty and that no grant names, and announce it."""
    session.caller.require_everything("department.delete")
    lock_tree(session)
    department = queries.get_department(session, department_id)
    check_etag(etag, department.version)
    if department.parent_id is None:
        raise Conflict("ROOT_DEPARTMENT", "the root department cannot be deleted", department=department.name)
    if session.scalar(select(exists().where(Department.parent_id == department_id))):
        raise Conflict("DEPARTMENT_HAS_CHILDREN", "move or delete the departments below it first")
    if session.scalar(select(exists().where(User.department_id == department_id))):
        raise Conflict("DEPARTMENT_HAS_USERS", "move its users to other departments first")
    ensure_not_granted(session, [department_id])
    session.delete(department)
    session.flush()
    audit.record(session, "department.delete", department.name, department.snapshot(), None)
    outbox.emit(session, farewell(session, department))


def farewell(session: ServiceSession, department: Department, into: UUID | None = None) -> DepartmentDeleted:
    """Keep that a department is gone, and what took its place if it was merged. Returns the fact."""
    version = department.version + 1
    gone = DeletedDepartment(id=department.id, version=version, merged_into=into, delete_time=session.now)
    session.add(gone)
    return gone.deleted()


def ensure_not_granted(session: ServiceSession, department_ids: Iterable[UUID]) -> None:
    """Raise Conflict if a role or client has a grant that names one of the departments."""
    for key in department_ids:
        naming = [{"departments": [str(key)]}]
        named = or_(
            exists().where(Role.stored_grants.contains(naming)), exists().where(Client.stored_grants.contains(naming))
        )
        if session.scalar(select(named)):
            message = "take it out of the grants of roles and clients that name it first"
            raise Conflict("DEPARTMENT_IN_GRANTS", message, department=make_name("departments", key))
