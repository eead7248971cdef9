"""Bringing what leads are searched by up to date, after a release that searches by more."""

from uuid import UUID

from chassis.callers import service_caller
from chassis.db import Database
from chassis.service import Runtime, ServiceCommand
from sqlalchemy import select

from leads.model import Lead

PART = 500
"""Leads in one transaction."""


def rebuild(database: Database) -> int:
    """Write anew what leads are searched by, where it differs. Returns how many differed. Can be run at any time, and
    again after it was interrupted: what is right stays."""
    changed, after = 0, UUID(int=0)
    while True:
        with database.write(service_caller("leads")) as session:
            part = select(Lead).where(Lead.id > after).order_by(Lead.id).limit(PART).with_for_update()
            leads = session.scalars(part).all()
            for lead in leads:
                before = lead.search_text
                lead.refresh_keys()
                changed += lead.search_text != before
        if not leads:
            return changed
        after = leads[-1].id


def _rebuild_search(runtime: Runtime) -> int:
    print(f"{rebuild(runtime.database)} leads are searched by more, or otherwise, than before")
    return 0


COMMANDS = (
    ServiceCommand(
        group="search",
        about_group="look after what leads are searched by",
        name="rebuild",
        about="bring it up to date after a release that searches by more",
        run=_rebuild_search,
    ),
)
