"""Keep a way to look at records."""

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import Exhausted
from chassis.names import new_id
from sqlalchemy import func, select

from identity import queries
from identity.model import SavedView
from identity.saved_views import FIELDS, ViewDraft, apply_draft, check_entity, save_view

MAXIMUM_VIEWS = 100
"""That one person may keep of one entity."""


def create_saved_view(session: ServiceSession, draft: ViewDraft) -> SavedView:
    """Keep a view of the caller."""
    owner = queries.get_own_user(session, lock=True)
    entity = check_entity(draft.entity)
    mine = select(func.count()).where(SavedView.owner_id == owner.id, SavedView.entity == entity)
    if session.scalars(mine).one() >= MAXIMUM_VIEWS:
        raise Exhausted("TOO_MANY_VIEWS", f"delete one of your {MAXIMUM_VIEWS} views first", maximum=MAXIMUM_VIEWS)
    view = SavedView(
        id=new_id(),
        entity=entity,
        owner_id=owner.id,
        is_default=False,
        version=0,
        create_time=session.now,
        update_time=session.now,
    )
    apply_draft(session, owner, view, draft, FIELDS)
    session.add(view)
    save_view(session, view)
    audit.record(session, "saved_view.create", view.name, None, view.snapshot())
    return view
