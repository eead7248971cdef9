"""How a user wants to be reminded of plans, and the secret link under which programs read the user's calendar."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit, locks
from chassis.db import ServiceSession
from chassis.errors import Denied
from chassis.etags import check_etag
from chassis.names import make_name
from sqlalchemy import select

from leads.model import CalendarSettings
from leads.plans.drafts import reminder_minutes
from leads.plans.reminding import schedule_for

SETTINGS_NAME = "calendarSettings"
"""The resource name of the caller's settings."""

SETTING_FIELDS = frozenset({"own_reminders", "reminder_minutes", "feed_follow_ups", "feed_tasks"})
"""What a user may change of them."""


def own_settings(session: ServiceSession, *, lock: bool = False) -> CalendarSettings:
    """The caller's settings; with version 0, and not stored, if they have set none. Raises Denied for machines."""
    user_id = session.caller.user_id
    if user_id is None:
        raise Denied("NO_CALENDAR", "machines have no calendar; sign in as a user")
    if lock:
        locks.hold(session, f"calendar settings of {user_id}")
    return session.get(CalendarSettings, user_id) or CalendarSettings(
        user_id=user_id, own_reminders=False, reminder_minutes=[], feed_follow_ups=False, feed_tasks=False, version=0
    )


def update_settings(session: ServiceSession, changes: Mapping[str, Any], etag: str) -> CalendarSettings:
    """Change the caller's settings. What they were to be reminded of before now is not sent again. Raises Invalid or
    Stale."""
    kept = own_settings(session, lock=True)
    check_etag(etag, kept.version)
    given = dict(changes)
    if "reminder_minutes" in given:
        given["reminder_minutes"] = reminder_minutes(given["reminder_minutes"])
    before = {key: getattr(kept, key) for key in given}
    if before == given:
        return kept
    for key, value in given.items():
        setattr(kept, key, value)
    _keep(session, kept, "plan.configure_calendar", before, given)
    if given.keys() & {"own_reminders", "reminder_minutes"}:
        schedule_for(session, kept.user_id)
    return kept


def rotate_feed(session: ServiceSession) -> tuple[CalendarSettings, str]:
    """Give the caller's calendar a link. Returns its token, which is kept nowhere. A former link ends."""
    kept, token = own_settings(session, lock=True), secrets.token_urlsafe(32)
    before = {"feed": kept.feed_digest is not None}
    kept.feed_digest, kept.feed_create_time = digest(token), session.now
    _keep(session, kept, "plan.rotate_feed", before, {"feed": True})
    return kept, token


def revoke_feed(session: ServiceSession) -> None:
    """End the link of the caller's calendar, if it has one."""
    kept = own_settings(session, lock=True)
    if kept.feed_digest is not None:
        kept.feed_digest = kept.feed_create_time = None
        _keep(session, kept, "plan.revoke_feed", {"feed": True}, {"feed": False})


def settings_by_token(session: ServiceSession, token: str) -> CalendarSettings | None:
    """Whose calendar a link leads to, if to any."""
    return session.scalars(select(CalendarSettings).where(CalendarSettings.feed_digest == digest(token))).first()


def digest(token: str) -> bytes:
    """What is kept of a token: of 256 random bits, which nobody guesses, a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def _keep(
    session: ServiceSession, kept: CalendarSettings, action: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    kept.version += 1
    session.add(kept)
    session.flush()
    audit.record(session, action, _owner(kept.user_id), dict(before), dict(after))


def _owner(user_id: UUID) -> str:
    return make_name("users", user_id)
