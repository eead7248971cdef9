"""Delete a role."""

from uuid import UUID

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.etags import check_etag
from sqlalchemy import exists, select

from identity import queries
from identity.events import RoleDeleted
from identity.model import user_role
from identity.policy import bump_policy


def delete_role(session: ServiceSession, role_id: UUID, etag: str) -> None:
    """Delete a role that nobody holds."""
    session.caller.require_everything("role.delete")
    bump_policy(session)
    role = queries.get_role(session, role_id, lock=True)
    check_etag(etag, role.version)
    role.ensure_changeable()
    if session.scalar(select(exists().where(user_role.c.role_id == role_id))):
        raise Conflict("ROLE_IN_USE", "take the role from the users who hold it first", role=role.name)
    session.delete(role)
    session.flush()
    audit.record(session, "role.delete", role.name, role.snapshot(), None)
    outbox.emit(session, RoleDeleted(role.name, role.version))
