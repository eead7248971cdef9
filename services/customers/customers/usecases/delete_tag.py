"""Delete a tag."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from customers.own_fields import ENTITY
from customers.refreshing import queue_refresh
from customers.usecases.create_tag import tag_snapshot
from customers.usecases.update_tag import lock_tag


def delete_tag(session: ServiceSession, tag_id: UUID, *, etag: str = "") -> None:
    """Delete a tag. Customers keep it as a plain label where somebody has set it."""
    tag = lock_tag(session, tag_id)
    check_etag(etag, tag.version)
    session.delete(tag)
    session.flush()
    audit.record(session, "tag.delete", tag.name, tag_snapshot(tag), None)
    if tag.rule is not None:
        queue_refresh(session, ENTITY)
