"""What the sample company says of itself."""

from crm.identity.v1 import (
    organisation_calendar_pb2,
    organisation_calendar_service_pb2,
    organisation_calendar_service_pb2_grpc,
    organisation_pb2,
    organisation_service_pb2,
    organisation_service_pb2_grpc,
)

from local_suite.client import SuiteClient

NAME = "上海观曦工业设备有限公司"
FOUNDED = "10-18"


def load_profile(suite: SuiteClient, year: int) -> None:
    """Name the company and give it a holiday of its own. Doing so again changes nothing."""
    profile = organisation_pb2.Organisation(display_name=NAME, first_day_of_week=organisation_pb2.DAY_OF_WEEK_MONDAY)
    organisation_service_pb2_grpc.OrganisationServiceStub(suite.identity).UpdateOrganisation(
        organisation_service_pb2.UpdateOrganisationRequest(organisation=profile), metadata=suite.admin, timeout=10
    )
    day = organisation_calendar_pb2.SpecialDay(date=f"{year}-{FOUNDED}", display_name="司庆日")
    organisation_calendar_service_pb2_grpc.OrganisationCalendarServiceStub(suite.identity).SetSpecialDay(
        organisation_calendar_service_pb2.SetSpecialDayRequest(special_day=day), metadata=suite.admin, timeout=10
    )
