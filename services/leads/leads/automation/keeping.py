"""How long what rules did is kept."""

from datetime import datetime, time, timedelta

from chassis.db import ServiceSession
from chassis.settings import Settings
from chassis.timers import Timer
from sqlalchemy import and_

from leads.automation.settings import days_kept
from leads.model import AutomationCause, AutomationDelivery, AutomationRun, DeliveryState
from leads.purging import purge as remove

CAUSES_KEPT = timedelta(days=14)
"""As long as events are handled once, see `chassis.inbox`."""


def purge_timer(settings: Settings) -> Timer:
    """The timer that removes old runs."""
    kept = timedelta(days=days_kept(settings))
    return Timer("leads.purge_automation", lambda session, due: purge(session, due, kept), daily_at=time(4, 20))


def purge(session: ServiceSession, due: datetime, kept: timedelta) -> None:
    """Remove runs and ended calls older than what is kept, and what came of what."""
    remove(session, AutomationRun, AutomationRun.run_time < due - kept)
    ended = AutomationDelivery.state != DeliveryState.PENDING
    remove(session, AutomationDelivery, and_(ended, AutomationDelivery.create_time < due - kept))
    remove(session, AutomationCause, AutomationCause.create_time < due - CAUSES_KEPT)
