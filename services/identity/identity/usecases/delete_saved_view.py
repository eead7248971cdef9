"""Delete a way to look at records."""

from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from identity.saved_views import own_view


def delete_saved_view(session: ServiceSession, view_id: UUID, etag: str) -> None:
    """Delete the caller's view."""
    _, view = own_view(session, view_id)
    check_etag(etag, view.version)
    session.delete(view)
    session.flush()
    audit.record(session, "saved_view.delete", view.name, view.snapshot(), None)
