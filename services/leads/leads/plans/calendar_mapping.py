"""Calendars from what the queries find to messages, and from messages to what the queries take. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.etags import etag
from chassis.masks import changed_paths
from chassis.names import make_name, parse_name
from crm.leads.v1 import calendar_pb2, calendar_service_pb2

from leads.plans.calendar import Entry, Range
from leads.plans.mapping import STATUSES, plan_to_proto, time_of, times
from leads.plans.records import PlanRecord
from leads.plans.recurrence import Slot
from leads.plans.settings import SETTING_FIELDS, SETTINGS_NAME


def range_of(request: Any) -> Range:
    """The stretch of time that a request is about."""
    return Range(time_of(request, "start_time"), time_of(request, "end_time"))


def users_of(request: Any) -> list[UUID]:
    """The users that a request is about. Raises Invalid."""
    return [parse_name("users", name, field="users") for name in request.users]


def entry_to_proto(entry: Entry, records: Mapping[UUID, PlanRecord]) -> calendar_pb2.CalendarEntry:
    """An entry; but for when it is and whose, of what the caller may see alone."""
    one = entry.occurrence
    told: dict[str, Any] = {}
    if entry.visible:
        told = {
            "plan": plan_to_proto(records[one.plan.id]),
            "original_start_time": one.original_start,
            "status": STATUSES[one.status],
        }
    return calendar_pb2.CalendarEntry(
        **told,
        **times(one.slot),
        all_day=one.plan.all_day,
        users=[make_name("users", user_id) for user_id in entry.users],
    )


def busy_to_proto(user_id: UUID, slots: Sequence[Slot]) -> calendar_pb2.UserBusyTimes:
    """When somebody is busy."""
    return calendar_pb2.UserBusyTimes(user=make_name("users", user_id), spans=map(slot_to_proto, slots))


def slot_to_proto(slot: Slot) -> calendar_pb2.CalendarSpan:
    """A stretch of time."""
    return calendar_pb2.CalendarSpan(**times(slot))


def settings_to_proto(kept: Any) -> calendar_pb2.CalendarSettings:
    """Somebody's settings, without the link."""
    return calendar_pb2.CalendarSettings(
        name=SETTINGS_NAME,
        own_reminders=kept.own_reminders,
        reminder_minutes=kept.reminder_minutes,
        feed_follow_ups=kept.feed_follow_ups,
        feed_tasks=kept.feed_tasks,
        feed_create_time=kept.feed_create_time,
        etag=etag(kept.version),
    )


def setting_changes(request: calendar_service_pb2.UpdateCalendarSettingsRequest) -> dict[str, Any]:
    """The settings that are to change."""
    paths = changed_paths(request.settings, request.update_mask, SETTING_FIELDS)
    values = {path: getattr(request.settings, path) for path in paths}
    return values | ({"reminder_minutes": list(values["reminder_minutes"])} if "reminder_minutes" in paths else {})
