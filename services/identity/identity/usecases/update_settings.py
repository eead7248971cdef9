"""Change one's own settings."""

from collections.abc import Set

from chassis import audit, outbox
from chassis.db import ServiceSession
from chassis.etags import check_etag

from identity import queries
from identity.model import User, UserSettings
from identity.settings import SettingsDraft, check_layout, check_switches, check_time_zone, settings_of
from identity.usecases.create_user import locale

FIELDS = frozenset({"locale", "time_zone", "notification_switches", "web_layout", "mobile_layout"})


def update_settings(
    session: ServiceSession, draft: SettingsDraft, paths: Set[str], etag: str
) -> tuple[User, UserSettings]:
    """Change the caller's settings at `paths` to what the draft says. The language is part of the user, too."""
    user = queries.get_own_user(session, lock=True)
    settings = settings_of(session, user)
    check_etag(etag, settings.version)
    before = {**settings.snapshot(), "locale": user.locale}
    if "locale" in paths:
        _speak(session, user, locale(draft.locale))
    if "time_zone" in paths:
        settings.time_zone = check_time_zone(draft.time_zone)
    if "notification_switches" in paths:
        settings.switches = check_switches(draft.switches)
    if "web_layout" in paths:
        settings.web_layout = check_layout(draft.web_layout, field="web_layout")
    if "mobile_layout" in paths:
        settings.mobile_layout = check_layout(draft.mobile_layout, field="mobile_layout")
    settings.version += 1
    session.add(settings)
    session.flush()
    audit.record(session, "user.update_settings", user.name, before, {**settings.snapshot(), "locale": user.locale})
    return user, settings


def _speak(session: ServiceSession, user: User, language: str) -> None:
    if user.locale != language:
        user.locale, user.version, user.update_time = language, user.version + 1, session.now
        session.flush()
        outbox.emit(session, user.changed())
