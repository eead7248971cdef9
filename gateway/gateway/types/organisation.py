"""The company itself, and when it works."""

import strawberry
from crm.identity.v1 import organisation_calendar_pb2, organisation_calendar_service_pb2, organisation_pb2

from gateway.connections import Connection
from gateway.deriver import Record, derive
from gateway.fields import field


@derive(
    organisation_pb2.Organisation,
    required={"display_name", "locale", "currency", "time_zone", "first_day_of_week", "statutory_calendar", "etag"},
    hide={"logo_digest"},
)
class Organisation(Record[organisation_pb2.Organisation]):
    @field("Where the logo can be downloaded, with the header `authorization`. Changes with the logo.")
    def logo_url(self) -> str | None:
        digest = self.wire.logo_digest
        return f"/files/organisation/logo?v={digest}" if digest else None


@derive(organisation_calendar_pb2.WeeklyWindow, required={"day", "start", "end"})
class WeeklyWindow(Record[organisation_calendar_pb2.WeeklyWindow]):
    pass


@derive(organisation_calendar_pb2.WorkingWindow, required={"start", "end"})
class WorkingWindow(Record[organisation_calendar_pb2.WorkingWindow]):
    pass


@derive(organisation_calendar_pb2.WorkingWeek, required={"etag"})
class WorkingWeek(Record[organisation_calendar_pb2.WorkingWeek]):
    pass


@derive(organisation_calendar_pb2.SpecialDay, required={"date", "display_name", "source"})
class SpecialDay(Record[organisation_calendar_pb2.SpecialDay]):
    pass


@derive(organisation_calendar_pb2.CalendarDay, required={"date"})
class CalendarDay(Record[organisation_calendar_pb2.CalendarDay]):
    pass


@derive(organisation_calendar_service_pb2.WorkingDays)
class WorkingDays(Record[organisation_calendar_service_pb2.WorkingDays]):
    pass


@strawberry.type(description="A page of special days.")
class SpecialDayConnection(Connection[SpecialDay]):
    statutory_days_unknown: bool = strawberry.field(
        description="True if the year's public holidays are not known yet: only the company's own days are here."
    )
