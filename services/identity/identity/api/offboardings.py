"""OffboardingService."""

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name, parse_optional_name
from chassis.paging import page_size
from crm.identity.v1 import offboarding_pb2, offboarding_service_pb2, offboarding_service_pb2_grpc
from grpc import ServicerContext

from identity import offboarding_queries, queries
from identity.clients import Handovers
from identity.offboarding_mapping import offboarding_to_proto, plan_from_proto
from identity.succession import SERVICES, settle
from identity.usecases.offboard_user import offboard_user, retry_offboarding


class OffboardingServicer(offboarding_service_pb2_grpc.OffboardingServiceServicer):
    """Implements OffboardingService."""

    def __init__(self, calls: Calls, handovers: Handovers) -> None:
        self.calls = calls
        self.handovers = handovers

    def OffboardUser(
        self, request: offboarding_service_pb2.OffboardUserRequest, context: ServicerContext
    ) -> offboarding_pb2.Offboarding:
        user_id = parse_name("users", request.user, field="user")
        head_id = parse_optional_name("users", request.head_successor, field="head_successor")
        plan = plan_from_proto(request.plan)
        with self.calls.read() as session:
            succession = settle(session, queries.get_user(session, user_id, offboarding_queries.PERMISSION), plan)
        # Only those that judge a filter are asked: nobody's leaving waits for a service that is down.
        self.handovers.preview(succession.filtered_services(), user_id, succession)

        def offboard(session: ServiceSession) -> offboarding_pb2.Offboarding:
            made = offboard_user(session, user_id, plan, head_successor_id=head_id, reason=request.reason)
            return offboarding_to_proto(made)

        return self.calls.write(request, offboarding_pb2.Offboarding, offboard)

    def PreviewOffboarding(
        self, request: offboarding_service_pb2.PreviewOffboardingRequest, context: ServicerContext
    ) -> offboarding_service_pb2.PreviewOffboardingResponse:
        user_id = parse_name("users", request.user, field="user")
        plan = plan_from_proto(request.plan)
        with self.calls.read() as session:
            user = queries.get_user(session, user_id, offboarding_queries.PERMISSION)
            succession = settle(session, user, plan)
            headed = [make_name("departments", key) for key in offboarding_queries.headed_departments(session, user_id)]
        counts = self.handovers.preview(set(SERVICES.values()), user_id, succession)
        return offboarding_service_pb2.PreviewOffboardingResponse(counts=counts, departments=headed)

    def GetOffboarding(
        self, request: offboarding_service_pb2.GetOffboardingRequest, context: ServicerContext
    ) -> offboarding_pb2.Offboarding:
        offboarding_id = parse_name("offboardings", request.name)
        with self.calls.read() as session:
            return offboarding_to_proto(offboarding_queries.get_offboarding(session, offboarding_id))

    def ListOffboardings(
        self, request: offboarding_service_pb2.ListOffboardingsRequest, context: ServicerContext
    ) -> offboarding_service_pb2.ListOffboardingsResponse:
        size = page_size(request.page_size)
        with self.calls.read() as session:
            page = offboarding_queries.list_offboardings(session, size, request.page_token)
            found = [offboarding_to_proto(each) for each in page.rows]
        return offboarding_service_pb2.ListOffboardingsResponse(offboardings=found, next_page_token=page.next_token)

    def RetryOffboarding(
        self, request: offboarding_service_pb2.RetryOffboardingRequest, context: ServicerContext
    ) -> offboarding_pb2.Offboarding:
        offboarding_id = parse_name("offboardings", request.name)
        plan = plan_from_proto(request.plan) if request.HasField("plan") else None
        if plan is not None:
            with self.calls.read() as session:
                offboarding = offboarding_queries.get_offboarding(session, offboarding_id)
                user = queries.get_user(session, offboarding.user_id, offboarding_queries.PERMISSION)
                succession = settle(session, user, plan)
            self.handovers.preview(succession.filtered_services(), user.id, succession)
        return self.calls.write(
            request,
            offboarding_pb2.Offboarding,
            lambda session: offboarding_to_proto(retry_offboarding(session, offboarding_id, plan)),
        )
