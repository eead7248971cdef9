"""The company's profile and working calendar, and merged departments."""

from typing import Any

import strawberry
from chassis.errors import Invalid
from crm.identity.v1 import (
    department_service_pb2,
    organisation_calendar_pb2,
    organisation_calendar_service_pb2,
    organisation_pb2,
    organisation_service_pb2,
)

from gateway.connections import DEFAULT_PAGE, After, First, page_fields
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.requests import RequestId
from gateway.scalars import Upload
from gateway.types.identity import Department
from gateway.types.organisation import Organisation, SpecialDay, SpecialDayConnection, WorkingDays, WorkingWeek

MAX_LOGO_BYTES = 256 * 1024


@strawberry.type
class OrganisationQuery:
    @field("The company that runs the suite.")
    async def organisation(self, info: Info) -> Organisation | None:
        calls = info.context.calls
        request = organisation_service_pb2.GetOrganisationRequest()
        return Organisation(await calls(calls.services.organisation.GetOrganisation, request))

    @field("When the company works in a week without special days.")
    async def working_week(self, info: Info) -> WorkingWeek | None:
        calls = info.context.calls
        request = organisation_calendar_service_pb2.GetWorkingWeekRequest()
        return WorkingWeek(await calls(calls.services.calendar.GetWorkingWeek, request))

    @field("The holidays and make-up working days of a year, the company's own in the place of others.")
    async def special_days(
        self, info: Info, year: int, first: First = DEFAULT_PAGE, after: After = None
    ) -> SpecialDayConnection | None:
        calls, unknown = info.context.calls, []

        async def fetch(size: int, token: str) -> tuple[list[Any], str]:
            request = organisation_calendar_service_pb2.ListSpecialDaysRequest(
                year=year, page_size=size, page_token=token
            )
            answer = await calls(calls.services.calendar.ListSpecialDays, request)
            unknown.append(answer.statutory_days_unknown)
            return list(answer.special_days), answer.next_page_token

        page = await page_fields(first, after, SpecialDay, fetch)
        return SpecialDayConnection(**page, statutory_days_unknown=any(unknown))

    @field("What the working calendar says of each day from one to another, at most 400 days.")
    async def working_days(self, info: Info, start_date: str, end_date: str) -> WorkingDays | None:
        calls = info.context.calls
        request = organisation_calendar_service_pb2.GetWorkingDaysRequest(start_date=start_date, end_date=end_date)
        return WorkingDays(await calls(calls.services.calendar.GetWorkingDays, request))


@derive_input(organisation_pb2.Organisation, hide={"name", "logo_digest", "update_time"})
class UpdateOrganisationInput(Input[organisation_pb2.Organisation]):
    request_id: RequestId = None


@strawberry.input(description="What else there is to say of a logo.")
class SetOrganisationLogoInput:
    etag: str | None = strawberry.field(default=None, description="If given, that of the organisation now.")
    request_id: RequestId = None


@derive_input(organisation_calendar_pb2.WeeklyWindow, required={"day", "start", "end"})
class WeeklyWindowInput(Input[organisation_calendar_pb2.WeeklyWindow]):
    pass


@derive_input(organisation_calendar_pb2.WorkingWindow, required={"start", "end"})
class WorkingWindowInput(Input[organisation_calendar_pb2.WorkingWindow]):
    pass


@derive_input(organisation_calendar_pb2.WorkingWeek, required={"windows"})
class UpdateWorkingWeekInput(Input[organisation_calendar_pb2.WorkingWeek]):
    request_id: RequestId = None


@derive_input(organisation_calendar_pb2.SpecialDay, required={"date", "working", "display_name"}, hide={"source"})
class SetSpecialDayInput(Input[organisation_calendar_pb2.SpecialDay]):
    request_id: RequestId = None


@strawberry.input(description="Which special day of the company's own to take back.")
class DeleteSpecialDayInput:
    date: str = strawberry.field(description="The day, e.g. `2026-10-01`.")
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Departments to merge into another one.")
class MergeDepartmentsInput:
    source_ids: list[strawberry.ID] = strawberry.field(description="Those that cease to be, 1 to 50.")
    target_id: strawberry.ID = strawberry.field(description="The one that takes their place.")
    merge_namesakes: bool = strawberry.field(
        default=False,
        description="Merge departments, too, that would lie beside another of their name, instead of refusing.",
    )
    request_id: RequestId = None


@strawberry.type
class OrganisationMutation:
    @mutation("Changes the company's profile.")
    async def update_organisation(self, info: Info, input: UpdateOrganisationInput) -> Organisation | None:  # noqa: A002
        calls = info.context.calls
        request = organisation_service_pb2.UpdateOrganisationRequest(
            organisation=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return Organisation(await calls(calls.services.organisation.UpdateOrganisation, request))

    @mutation("Sets the company's logo: a PNG or JPEG file of at most 256 KiB and 2,048 pixels each way.")
    async def set_organisation_logo(
        self,
        info: Info,
        file: Upload,
        input: SetOrganisationLogoInput | None = None,  # noqa: A002
    ) -> Organisation | None:
        data = await file.read(MAX_LOGO_BYTES + 1)
        if not data:
            raise Invalid("EMPTY_FILE", "the file is empty", field="file")
        return await _set_logo(info, data, input)

    @mutation("Removes the company's logo.")
    async def remove_organisation_logo(
        self,
        info: Info,
        input: SetOrganisationLogoInput | None = None,  # noqa: A002
    ) -> Organisation | None:
        return await _set_logo(info, b"", input)

    @mutation("Replaces the windows of the working week.")
    async def update_working_week(self, info: Info, input: UpdateWorkingWeekInput) -> WorkingWeek | None:  # noqa: A002
        calls = info.context.calls
        request = organisation_calendar_service_pb2.UpdateWorkingWeekRequest(
            week=input.to_proto(), request_id=input.request_id or ""
        )
        return WorkingWeek(await calls(calls.services.calendar.UpdateWorkingWeek, request))

    @mutation("Makes a day a holiday or a working day of the company's own.")
    async def set_special_day(self, info: Info, input: SetSpecialDayInput) -> SpecialDay | None:  # noqa: A002
        calls = info.context.calls
        request = organisation_calendar_service_pb2.SetSpecialDayRequest(
            special_day=input.to_proto(), request_id=input.request_id or ""
        )
        return SpecialDay(await calls(calls.services.calendar.SetSpecialDay, request))

    @mutation("Takes a special day of the company's own back and returns its date.")
    async def delete_special_day(self, info: Info, input: DeleteSpecialDayInput) -> str | None:  # noqa: A002
        calls = info.context.calls
        request = organisation_calendar_service_pb2.DeleteSpecialDayRequest(
            date=input.date, etag=input.etag or "", request_id=input.request_id or ""
        )
        await calls(calls.services.calendar.DeleteSpecialDay, request)
        return input.date

    @mutation("Merges departments into another one, with their people and all that lies below them.")
    async def merge_departments(self, info: Info, input: MergeDepartmentsInput) -> Department | None:  # noqa: A002
        calls = info.context.calls
        request = department_service_pb2.MergeDepartmentsRequest(
            sources=input.source_ids,
            target=input.target_id,
            merge_namesakes=input.merge_namesakes,
            request_id=input.request_id or "",
        )
        return Department(await calls(calls.services.departments.MergeDepartments, request))


async def _set_logo(info: Info, data: bytes, given: SetOrganisationLogoInput | None) -> Organisation:
    calls = info.context.calls
    request = organisation_service_pb2.SetOrganisationLogoRequest(data=data)
    if given is not None:
        request.etag, request.request_id = given.etag or "", given.request_id or ""
    return Organisation(await calls(calls.services.organisation.SetOrganisationLogo, request))
