"""Change when the company works in a week without special days."""

from collections.abc import Mapping, Sequence

from chassis import audit
from chassis.calendars import Window, day_windows
from chassis.db import ServiceSession
from chassis.errors import Invalid
from chassis.etags import check_etag

from identity.company import announce, get_profile, window_texts
from identity.model import ORGANISATION_NAME, OrganisationProfile


def update_working_week(
    session: ServiceSession, windows: Mapping[int, Sequence[Window]], etag: str
) -> OrganisationProfile:
    """Replace the windows of the week, given by the day's ISO number, and tell all services."""
    session.caller.require_everything("organisation.update")
    weekly = {str(day): window_texts(day_windows(windows[day])) for day in sorted(windows) if windows[day]}
    if not weekly:
        raise Invalid("REQUIRED", "a company works at some time of the week: give at least one window", field="windows")
    profile = get_profile(session, lock=True)
    check_etag(etag, profile.week_version)
    before = profile.weekly
    if weekly == before:
        return profile
    profile.weekly = weekly
    profile.week_version += 1
    session.flush()
    resource = f"{ORGANISATION_NAME}/workingWeek"
    audit.record(session, "organisation.update_week", resource, {"weekly": before}, {"weekly": weekly})
    announce(session, profile)
    return profile
