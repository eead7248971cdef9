"""OrganisationService and OrganisationCalendarService."""

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Invalid, NotFound
from chassis.masks import changed_paths
from chassis.paging import page_size
from crm.identity.v1 import (
    organisation_calendar_pb2,
    organisation_calendar_service_pb2,
    organisation_calendar_service_pb2_grpc,
    organisation_pb2,
    organisation_service_pb2,
    organisation_service_pb2_grpc,
)
from google.protobuf.empty_pb2 import Empty
from grpc import ServicerContext

from identity import company, organisation_mapping, statutory
from identity.model import StatutoryCalendar
from identity.usecases import (
    delete_special_day,
    set_organisation_logo,
    set_special_day,
    update_organisation,
    update_working_week,
)


class OrganisationServicer(organisation_service_pb2_grpc.OrganisationServiceServicer):
    """The company's profile."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetOrganisation(
        self, request: organisation_service_pb2.GetOrganisationRequest, context: ServicerContext
    ) -> organisation_pb2.Organisation:
        with self.calls.read() as session:
            return organisation_mapping.organisation_to_proto(company.get_profile(session))

    def UpdateOrganisation(
        self, request: organisation_service_pb2.UpdateOrganisationRequest, context: ServicerContext
    ) -> organisation_pb2.Organisation:
        draft = organisation_mapping.organisation_draft(request.organisation)
        paths = changed_paths(request.organisation, request.update_mask, update_organisation.FIELDS)
        return self.calls.write(
            request,
            organisation_pb2.Organisation,
            lambda session: organisation_mapping.organisation_to_proto(
                update_organisation.update_organisation(session, draft, paths, request.organisation.etag)
            ),
        )

    def GetOrganisationLogo(
        self, request: organisation_service_pb2.GetOrganisationLogoRequest, context: ServicerContext
    ) -> organisation_service_pb2.OrganisationLogo:
        with self.calls.read() as session:
            profile = company.get_profile(session)
            if profile.logo is None:
                raise NotFound("LOGO_NOT_FOUND", "the company has no logo")
            return organisation_service_pb2.OrganisationLogo(content_type=profile.logo_type or "", data=profile.logo)

    def SetOrganisationLogo(
        self, request: organisation_service_pb2.SetOrganisationLogoRequest, context: ServicerContext
    ) -> organisation_pb2.Organisation:
        logo = set_organisation_logo.read_logo(request.data)
        return self.calls.write(
            request,
            organisation_pb2.Organisation,
            lambda session: organisation_mapping.organisation_to_proto(
                set_organisation_logo.set_organisation_logo(session, logo, request.etag)
            ),
        )


class OrganisationCalendarServicer(organisation_calendar_service_pb2_grpc.OrganisationCalendarServiceServicer):
    """The company's working calendar."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetWorkingWeek(
        self, request: organisation_calendar_service_pb2.GetWorkingWeekRequest, context: ServicerContext
    ) -> organisation_calendar_pb2.WorkingWeek:
        with self.calls.read() as session:
            return organisation_mapping.week_to_proto(company.get_profile(session))

    def UpdateWorkingWeek(
        self, request: organisation_calendar_service_pb2.UpdateWorkingWeekRequest, context: ServicerContext
    ) -> organisation_calendar_pb2.WorkingWeek:
        windows = organisation_mapping.week_from_proto(request.week)
        return self.calls.write(
            request,
            organisation_calendar_pb2.WorkingWeek,
            lambda session: organisation_mapping.week_to_proto(
                update_working_week.update_working_week(session, windows, request.week.etag)
            ),
        )

    def ListSpecialDays(
        self, request: organisation_calendar_service_pb2.ListSpecialDaysRequest, context: ServicerContext
    ) -> organisation_calendar_service_pb2.ListSpecialDaysResponse:
        size = page_size(request.page_size)
        if not company.FIRST_YEAR <= request.year <= company.LAST_YEAR:
            message = f"name a year from {company.FIRST_YEAR} to {company.LAST_YEAR}"
            raise Invalid("INVALID_YEAR", message, field="year")
        with self.calls.read() as session:
            statute = StatutoryCalendar(company.get_profile(session).statutory_calendar)
            days = company.special_days(session, statute, [request.year])
        if request.page_token:
            after = _day_of_token(request.page_token, request.year)
            days = [day for day in days if day.date.isoformat() > after]
        return organisation_calendar_service_pb2.ListSpecialDaysResponse(
            special_days=map(organisation_mapping.special_day_to_proto, days[:size]),
            next_page_token=days[size - 1].date.isoformat() if len(days) > size else "",
            statutory_days_unknown=statutory.is_unknown(statute, request.year),
        )

    def SetSpecialDay(
        self, request: organisation_calendar_service_pb2.SetSpecialDayRequest, context: ServicerContext
    ) -> organisation_calendar_pb2.SpecialDay:
        draft = organisation_mapping.special_day_draft(request.special_day)
        return self.calls.write(
            request,
            organisation_calendar_pb2.SpecialDay,
            lambda session: organisation_mapping.special_day_to_proto(
                company.company_day(set_special_day.set_special_day(session, draft, request.special_day.etag))
            ),
        )

    def DeleteSpecialDay(
        self, request: organisation_calendar_service_pb2.DeleteSpecialDayRequest, context: ServicerContext
    ) -> Empty:
        day = company.parse_date(request.date, field="date")

        def delete(session: ServiceSession) -> Empty:
            delete_special_day.delete_special_day(session, day, request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)

    def GetWorkingDays(
        self, request: organisation_calendar_service_pb2.GetWorkingDaysRequest, context: ServicerContext
    ) -> organisation_calendar_service_pb2.WorkingDays:
        first = company.parse_date(request.start_date, field="start_date")
        last = company.parse_date(request.end_date, field="end_date")
        with self.calls.read() as session:
            return organisation_mapping.working_days_to_proto(company.stretch(session, first, last))


def _day_of_token(token: str, year: int) -> str:
    """The day that a page ended with. Raises Invalid INVALID_PAGE_TOKEN."""
    try:
        day = company.parse_date(token, field="page_token")
    except Invalid:
        day = None
    if day is None or day.year != year:
        raise Invalid("INVALID_PAGE_TOKEN", "page_token is not one that this list returned", field="page_token")
    return day.isoformat()
