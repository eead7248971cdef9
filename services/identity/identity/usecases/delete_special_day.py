"""Take a holiday or working day of the company's own back."""

from datetime import date

from chassis import audit
from chassis.db import ServiceSession
from chassis.errors import NotFound
from chassis.etags import check_etag

from identity.company import announce, get_profile
from identity.model import CompanyDay
from identity.usecases.set_special_day import resource_of


def delete_special_day(session: ServiceSession, day: date, etag: str) -> None:
    """Let the statutory calendar or the week hold again for a day, and tell all services."""
    session.caller.require_everything("organisation.update")
    profile = get_profile(session, lock=True)
    own = session.get(CompanyDay, day)
    if own is None:
        raise NotFound("SPECIAL_DAY_NOT_FOUND", "the company has said nothing of this day", date=day)
    check_etag(etag, own.version)
    session.delete(own)
    session.flush()
    audit.record(session, "special_day.delete", resource_of(day), own.snapshot(), None)
    announce(session, profile)
