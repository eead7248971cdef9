"""The gRPC methods of RecycleService: open a transaction, call, map."""

from datetime import date
from typing import Any

from chassis.calendars import parse_day
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.errors import Conflict
from chassis.names import parse_name, parse_optional_name
from crm.customers.v1 import recycle_pb2, recycle_service_pb2, recycle_service_pb2_grpc

from customers.recycling import history, mapping, previews, queries
from customers.usecases.decide_extension import decide_extension
from customers.usecases.request_extension import request_extension
from customers.usecases.set_customer_standing import set_customer_standing


class RecycleServicer(recycle_service_pb2_grpc.RecycleServiceServicer):
    """Implements RecycleService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ExplainRecycling(
        self, request: recycle_service_pb2.ExplainRecyclingRequest, context: Any
    ) -> recycle_pb2.RecycleClock:
        customer_id = parse_name("customers", request.name)
        with self.calls.read() as session:
            clocks, row = queries.explain_recycling(session, customer_id)
        if row is None:
            raise Conflict("NO_OWNER", "nobody looks after this customer", customer=request.name)
        return mapping.clock_to_proto(clocks, row)

    def ListRecycleRuns(
        self, request: recycle_service_pb2.ListRecycleRunsRequest, context: Any
    ) -> recycle_service_pb2.ListRecycleRunsResponse:
        with self.calls.read() as session:
            page = queries.list_recycle_runs(session, page_size=request.page_size, page_token=request.page_token)
        return recycle_service_pb2.ListRecycleRunsResponse(
            runs=map(mapping.run_to_proto, page.rows), next_page_token=page.next_token
        )

    def PreviewRecycling(
        self, request: recycle_service_pb2.PreviewRecyclingRequest, context: Any
    ) -> recycle_service_pb2.PreviewRecyclingResponse:
        pool_id = parse_optional_name("pools", request.pool, field="pool")
        drafts = mapping.drafts_from_proto(request.drafts)
        with self.calls.read() as session:
            day = _day(session, request.date)
            size, token = request.page_size, request.page_token
            clocks, page = previews.preview(session, day, pool_id, drafts, page_size=size, page_token=token)
        return recycle_service_pb2.PreviewRecyclingResponse(
            clocks=[mapping.clock_to_proto(clocks, row) for row in page.rows], next_page_token=page.next_token
        )

    def CountRecycling(
        self, request: recycle_service_pb2.CountRecyclingRequest, context: Any
    ) -> recycle_pb2.RecyclingCounts:
        pool_id = parse_optional_name("pools", request.pool, field="pool")
        drafts = mapping.drafts_from_proto(request.drafts)
        with self.calls.read() as session:
            day = _day(session, request.date)
            return mapping.counts_to_proto(day, previews.count(session, day, pool_id, drafts))

    def CompareRecycling(
        self, request: recycle_service_pb2.CompareRecyclingRequest, context: Any
    ) -> recycle_service_pb2.CompareRecyclingResponse:
        drafts = mapping.drafts_from_proto(request.drafts)
        with self.calls.read() as session:
            day, size, token = _day(session, request.date), request.page_size, request.page_token
            in_force, tried, page, (gained, lost) = previews.compare(
                session, day, drafts, page_size=size, page_token=token
            )
        return recycle_service_pb2.CompareRecyclingResponse(
            differences=[mapping.difference_to_proto(in_force, tried, row) for row in page.rows],
            next_page_token=page.next_token,
            gained=gained,
            lost=lost,
        )

    def GetRecyclingHistory(
        self, request: recycle_service_pb2.GetRecyclingHistoryRequest, context: Any
    ) -> recycle_pb2.RecyclingHistory:
        drafts = mapping.drafts_from_proto(request.drafts)
        with self.calls.read() as session:
            return mapping.history_to_proto(history.history(session, request.days or 30, drafts))

    def ListRecycleWarnings(
        self, request: recycle_service_pb2.ListRecycleWarningsRequest, context: Any
    ) -> recycle_service_pb2.ListRecycleWarningsResponse:
        with self.calls.read() as session:
            clocks, page = queries.list_recycle_warnings(
                session, request.within_days or 7, page_size=request.page_size, page_token=request.page_token
            )
        return recycle_service_pb2.ListRecycleWarningsResponse(
            clocks=[mapping.clock_to_proto(clocks, row) for row in page.rows], next_page_token=page.next_token
        )

    def RequestRecycleExtension(
        self, request: recycle_service_pb2.RequestRecycleExtensionRequest, context: Any
    ) -> recycle_pb2.RecycleExtension:
        customer_id = parse_name("customers", request.customer, field="customer")
        return self.calls.write(
            request,
            recycle_pb2.RecycleExtension,
            lambda session: mapping.extension_to_proto(
                request_extension(session, customer_id, request.days, request.reason)
            ),
        )

    def ApproveRecycleExtension(
        self, request: recycle_service_pb2.ApproveRecycleExtensionRequest, context: Any
    ) -> recycle_pb2.RecycleExtension:
        return self._decide(request, approved=True)

    def RejectRecycleExtension(
        self, request: recycle_service_pb2.RejectRecycleExtensionRequest, context: Any
    ) -> recycle_pb2.RecycleExtension:
        return self._decide(request, approved=False)

    def _decide(self, request: Any, *, approved: bool) -> recycle_pb2.RecycleExtension:
        extension_id = parse_name("recycleExtensions", request.name)
        return self.calls.write(
            request,
            recycle_pb2.RecycleExtension,
            lambda session: mapping.extension_to_proto(
                decide_extension(session, extension_id, approved=approved, note=request.note)
            ),
        )

    def ListRecycleExtensions(
        self, request: recycle_service_pb2.ListRecycleExtensionsRequest, context: Any
    ) -> recycle_service_pb2.ListRecycleExtensionsResponse:
        state = mapping.extension_state(request.state)
        with self.calls.read() as session:
            page = queries.list_recycle_extensions(
                session, state, page_size=request.page_size, page_token=request.page_token
            )
        return recycle_service_pb2.ListRecycleExtensionsResponse(
            extensions=map(mapping.extension_to_proto, page.rows), next_page_token=page.next_token
        )

    def SetCustomerStanding(
        self, request: recycle_service_pb2.SetCustomerStandingRequest, context: Any
    ) -> recycle_pb2.CustomerStanding:
        customer_id = parse_name("customers", request.standing.customer, field="standing.customer")
        standing = mapping.standing_from_proto(request.standing)
        return self.calls.write(
            request,
            recycle_pb2.CustomerStanding,
            lambda session: mapping.standing_to_proto(set_customer_standing(session, customer_id, standing)),
        )


def _day(session: ServiceSession, stated: str) -> date:
    return parse_day(stated, field="date") if stated else previews.next_run(session)
