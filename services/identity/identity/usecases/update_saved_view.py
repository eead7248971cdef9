"""Change a way to look at records."""

from collections.abc import Set
from uuid import UUID

from chassis import audit
from chassis.db import ServiceSession
from chassis.etags import check_etag

from identity.model import SavedView
from identity.saved_views import ViewDraft, apply_draft, own_view, save_view


def update_saved_view(
    session: ServiceSession, view_id: UUID, draft: ViewDraft, paths: Set[str], etag: str
) -> SavedView:
    """Change the caller's view at `paths` to what the draft says."""
    owner, view = own_view(session, view_id)
    check_etag(etag, view.version)
    before = view.snapshot()
    apply_draft(session, owner, view, draft, paths)
    if view.snapshot() == before:
        return view
    view.update_time = session.now
    save_view(session, view)
    audit.record(session, "saved_view.update", view.name, before, view.snapshot())
    return view
