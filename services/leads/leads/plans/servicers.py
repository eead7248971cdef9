"""The gRPC services of plans and calendars."""

from chassis.calls import Calls
from chassis.service import Servicer
from crm.leads.v1 import (
    calendar_service_pb2,
    calendar_service_pb2_grpc,
    plan_service_pb2,
    plan_service_pb2_grpc,
)

from leads.plans.api import PlanServicer
from leads.plans.calendar_api import CalendarServicer
from leads.reachable import Customers


def plan_servicers(calls: Calls, customers: Customers) -> tuple[Servicer, ...]:
    """Those that answer for plans and for calendars."""
    return (
        Servicer(
            plan_service_pb2.DESCRIPTOR.services_by_name["PlanService"],
            PlanServicer(calls, customers),
            plan_service_pb2_grpc.add_PlanServiceServicer_to_server,
        ),
        Servicer(
            calendar_service_pb2.DESCRIPTOR.services_by_name["CalendarService"],
            CalendarServicer(calls),
            calendar_service_pb2_grpc.add_CalendarServiceServicer_to_server,
        ),
    )
