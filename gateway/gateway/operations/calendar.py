"""Calendars: what people have planned, when they are busy, and when they are free."""

from datetime import datetime
from typing import Annotated, Any

import strawberry
from crm.leads.v1 import calendar_pb2
from crm.leads.v1 import calendar_service_pb2 as pb

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.plans import CalendarEntry, CalendarFeedLink, CalendarSettings, CalendarSpan, UserBusyTimes

RequestIdArgument = Annotated[
    str | None,
    strawberry.argument(description="A UUID of your choice. A retry with the same one does nothing twice."),
]
Users = Annotated[
    list[strawberry.ID] | None,
    strawberry.argument(description="Whose calendars, at most 200; with no department either, the caller's."),
]
Team = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="The department whose people are meant, with all below it, at most 200 people."),
]
Start = Annotated[datetime, strawberry.argument(description="From when on.")]
End = Annotated[datetime, strawberry.argument(description="Until when, at most 62 days later; the end is not part.")]


@strawberry.type
class CalendarQuery:
    @field(
        "What people have planned in a stretch of time such as a day, a week or a month, recurring plans as often as "
        "they occur in it, the earliest first. Of plans that the caller may not see, it tells when somebody is busy. "
        "`workingDays` tells when the company works."
    )
    async def calendar(
        self,
        info: Info,
        start_time: Start,
        end_time: End,
        users: Users = None,
        department: Team = None,
        include_cancelled: bool = False,
        first: First = DEFAULT_PAGE,
        after: After = None,
    ) -> Connection[CalendarEntry] | None:
        fetch = pages(
            info.context,
            info.context.services.calendars.ListCalendarEntries,
            pb.ListCalendarEntriesRequest,
            "entries",
            users=users or (),
            department=department or "",
            start_time=start_time,
            end_time=end_time,
            include_cancelled=include_cancelled,
        )
        return await connect(first, after, CalendarEntry, fetch)

    @field("When up to 50 people are busy, whatever with.")
    async def busy_times(
        self, info: Info, users: list[strawberry.ID], start_time: Start, end_time: End
    ) -> list[UserBusyTimes] | None:
        times: dict[str, Any] = {"start_time": start_time, "end_time": end_time}
        request = pb.GetBusyTimesRequest(users=users, **times)
        answer = await info.context.calls(info.context.services.calendars.GetBusyTimes, request)
        return list(map(UserBusyTimes, answer.busy_times))

    @field(
        "The stretches of working time from now on in which up to 50 people are all free for some minutes, at most 100."
    )
    async def free_slots(
        self, info: Info, users: list[strawberry.ID], start_time: Start, end_time: End, minutes: int
    ) -> list[CalendarSpan] | None:
        times: dict[str, Any] = {"start_time": start_time, "end_time": end_time}
        request = pb.SearchFreeSlotsRequest(users=users, minutes=minutes, **times)
        answer = await info.context.calls(info.context.services.calendars.SearchFreeSlots, request)
        return list(map(CalendarSpan, answer.slots))

    @field("How the caller wants to be reminded of plans, and what the feed of their calendar holds.")
    async def calendar_settings(self, info: Info) -> CalendarSettings | None:
        request = pb.GetCalendarSettingsRequest()
        return CalendarSettings(await info.context.calls(info.context.services.calendars.GetCalendarSettings, request))


@derive_input(calendar_pb2.CalendarSettings, hide={"name", "feed_create_time"})
class UpdateCalendarSettingsInput(Input[calendar_pb2.CalendarSettings]):
    request_id: RequestId = None


@strawberry.type
class CalendarMutation:
    @mutation("Changes how the caller is reminded of plans, and what the feed of their calendar holds.")
    async def update_calendar_settings(
        self,
        info: Info,
        input: UpdateCalendarSettingsInput,  # noqa: A002
    ) -> CalendarSettings | None:
        request = pb.UpdateCalendarSettingsRequest(
            settings=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        calendars = info.context.services.calendars
        return CalendarSettings(await info.context.calls(calendars.UpdateCalendarSettings, request))

    @mutation("Gives the caller's calendar a link, under which any program can read it. A former link ends.")
    async def rotate_calendar_feed(self, info: Info, request_id: RequestIdArgument = None) -> CalendarFeedLink | None:
        request = pb.RotateCalendarFeedRequest(request_id=request_id or "")
        calendars = info.context.services.calendars
        return CalendarFeedLink.of(await info.context.calls(calendars.RotateCalendarFeed, request))

    @mutation("Ends the link of the caller's calendar.")
    async def revoke_calendar_feed(self, info: Info, request_id: RequestIdArgument = None) -> bool | None:
        request = pb.RevokeCalendarFeedRequest(request_id=request_id or "")
        await info.context.calls(info.context.services.calendars.RevokeCalendarFeed, request)
        return True
