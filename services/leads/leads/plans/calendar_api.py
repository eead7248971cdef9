"""CalendarService."""

from typing import Any

from chassis.callers import service_caller
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import parse_optional_name
from crm.leads.v1 import calendar_pb2, calendar_service_pb2, calendar_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from leads.plans import calendar_mapping as mapping
from leads.plans.calendar import busy_times, free_slots, list_entries
from leads.plans.feed import read_feed
from leads.plans.records import read_records
from leads.plans.settings import own_settings, revoke_feed, rotate_feed, update_settings


class CalendarServicer(calendar_service_pb2_grpc.CalendarServiceServicer):
    """Implements CalendarService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListCalendarEntries(
        self, request: calendar_service_pb2.ListCalendarEntriesRequest, context: Any
    ) -> calendar_service_pb2.ListCalendarEntriesResponse:
        users = mapping.users_of(request)
        department_id = parse_optional_name("departments", request.department, field="department")
        with self.calls.read() as session:
            page = list_entries(
                session,
                mapping.range_of(request),
                user_ids=users,
                department_id=department_id,
                cancelled=request.include_cancelled,
                page_size=request.page_size,
                page_token=request.page_token,
            )
            shown = {entry.occurrence.plan.id: entry.occurrence.plan for entry in page.rows if entry.visible}
            records = {record.plan.id: record for record in read_records(session, list(shown.values()))}
            entries = [mapping.entry_to_proto(entry, records) for entry in page.rows]
        return calendar_service_pb2.ListCalendarEntriesResponse(entries=entries, next_page_token=page.next_token)

    def GetBusyTimes(
        self, request: calendar_service_pb2.GetBusyTimesRequest, context: Any
    ) -> calendar_service_pb2.GetBusyTimesResponse:
        users = mapping.users_of(request)
        with self.calls.read() as session:
            found = busy_times(session, users, mapping.range_of(request))
        return calendar_service_pb2.GetBusyTimesResponse(
            busy_times=[mapping.busy_to_proto(user_id, slots) for user_id, slots in found]
        )

    def SearchFreeSlots(
        self, request: calendar_service_pb2.SearchFreeSlotsRequest, context: Any
    ) -> calendar_service_pb2.SearchFreeSlotsResponse:
        users = mapping.users_of(request)
        with self.calls.read() as session:
            found = free_slots(session, users, mapping.range_of(request), request.minutes)
        return calendar_service_pb2.SearchFreeSlotsResponse(slots=map(mapping.slot_to_proto, found))

    def GetCalendarSettings(
        self, request: calendar_service_pb2.GetCalendarSettingsRequest, context: Any
    ) -> calendar_pb2.CalendarSettings:
        with self.calls.read() as session:
            return mapping.settings_to_proto(own_settings(session))

    def UpdateCalendarSettings(
        self, request: calendar_service_pb2.UpdateCalendarSettingsRequest, context: Any
    ) -> calendar_pb2.CalendarSettings:
        changes = mapping.setting_changes(request)
        return self.calls.write(
            request,
            calendar_pb2.CalendarSettings,
            lambda session: mapping.settings_to_proto(update_settings(session, changes, request.settings.etag)),
        )

    def RotateCalendarFeed(
        self, request: calendar_service_pb2.RotateCalendarFeedRequest, context: Any
    ) -> calendar_service_pb2.RotateCalendarFeedResponse:
        def rotate(session: ServiceSession) -> calendar_service_pb2.RotateCalendarFeedResponse:
            kept, token = rotate_feed(session)
            return calendar_service_pb2.RotateCalendarFeedResponse(
                path=f"/calendar/{token}.ics", settings=mapping.settings_to_proto(kept)
            )

        answer = calendar_service_pb2.RotateCalendarFeedResponse
        return self.calls.write(request, answer, rotate)

    def RevokeCalendarFeed(self, request: calendar_service_pb2.RevokeCalendarFeedRequest, context: Any) -> Empty:
        def revoke(session: ServiceSession) -> Empty:
            revoke_feed(session)
            return Empty()

        return self.calls.write(request, Empty, revoke)

    def GetCalendarFeed(
        self, request: calendar_service_pb2.GetCalendarFeedRequest, context: Any
    ) -> calendar_service_pb2.CalendarFeed:
        # Nobody is signed in: the link itself says whose calendar it is.
        with self.calls.database.read(service_caller("leads")) as session:
            data, version = read_feed(session, request.token)
        if version == request.known_version:
            data = b""
        return calendar_service_pb2.CalendarFeed(data=data, version=version)
