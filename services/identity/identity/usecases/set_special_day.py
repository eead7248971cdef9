"""Make a day a holiday or a working day of the company's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from chassis import audit
from chassis.calendars import Window, day_windows
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag

from identity.company import announce, get_profile, window_texts
from identity.model import CompanyDay, label


@dataclass(frozen=True)
class SpecialDayDraft:
    """What callers say of a day."""

    date: date
    working: bool
    display_name: str
    windows: Sequence[Window] = ()


def set_special_day(session: ServiceSession, draft: SpecialDayDraft, etag: str) -> CompanyDay:
    """Keep what the draft says of a day, in the place of what was said before, and tell all services."""
    session.caller.require_everything("organisation.update")
    windows = window_texts(day_windows(draft.windows))
    if windows and not draft.working:
        raise Invalid("INVALID_WINDOW", "a day off has no windows", field="windows")
    title = label(draft.display_name, field="display_name")
    profile = get_profile(session, lock=True)
    day = session.get(CompanyDay, draft.date)
    check_etag(etag, day.version if day else 0)
    before = day.snapshot() if day else None
    if day is None:
        day = CompanyDay(day=draft.date, version=0)
        session.add(day)
    day.working, day.display_name, day.windows = draft.working, title, windows
    if day.snapshot() == before:
        return day
    day.version += 1
    day.update_time = session.now
    session.flush()
    audit.record(session, "special_day.set", resource_of(draft.date), before, day.snapshot())
    announce(session, profile)
    return day


def resource_of(day: date) -> str:
    """What the audit calls a special day."""
    return f"specialDays/{day.isoformat()}"
