"""The gRPC methods of PurchaseService and RfmService: open a transaction, call, map."""

from datetime import date
from typing import Any

from chassis.calendars import parse_day
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name
from crm.customers.v1 import (
    purchase_pb2,
    purchase_service_pb2,
    purchase_service_pb2_grpc,
    rfm_pb2,
    rfm_service_pb2,
    rfm_service_pb2_grpc,
)

from customers.purchases import mapping, queries
from customers.purchases.policy import policy_row
from customers.usecases.record_purchases import record_purchases
from customers.usecases.run_rfm import queue_rfm
from customers.usecases.update_rfm_policy import update_rfm_policy


class PurchaseServicer(purchase_service_pb2_grpc.PurchaseServiceServicer):
    """Implements PurchaseService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def RecordPurchases(
        self, request: purchase_service_pb2.RecordPurchasesRequest, context: Any
    ) -> purchase_service_pb2.RecordPurchasesResponse:
        drafts = list(map(mapping.draft_from_proto, request.purchases))

        def record(session: ServiceSession) -> purchase_service_pb2.RecordPurchasesResponse:
            outcomes = record_purchases(session, drafts)
            return purchase_service_pb2.RecordPurchasesResponse(outcomes=map(mapping.outcome_to_proto, outcomes))

        return self.calls.write(request, purchase_service_pb2.RecordPurchasesResponse, record)

    def ListPurchases(
        self, request: purchase_service_pb2.ListPurchasesRequest, context: Any
    ) -> purchase_service_pb2.ListPurchasesResponse:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            page = queries.list_purchases(
                session, customer_id, page_size=request.page_size, page_token=request.page_token
            )
        return purchase_service_pb2.ListPurchasesResponse(
            purchases=map(mapping.purchase_to_proto, page.rows), next_page_token=page.next_token
        )

    def GetPurchaseInsight(
        self, request: purchase_service_pb2.GetPurchaseInsightRequest, context: Any
    ) -> purchase_pb2.PurchaseInsight:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            queries.require_customer(session, customer_id)
            return mapping.insight_to_proto(request.customer, *queries.purchase_insight(session, customer_id))


class RfmServicer(rfm_service_pb2_grpc.RfmServiceServicer):
    """Implements RfmService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def RunRfm(self, request: rfm_service_pb2.RunRfmRequest, context: Any) -> rfm_pb2.RfmRun:
        day, parameters = _day(request.analysis_date), mapping.parameters_from_proto(request.parameters)
        return self.calls.write(
            request, rfm_pb2.RfmRun, lambda session: mapping.run_to_proto(queue_rfm(session, day, parameters))
        )

    def GetRfmRun(self, request: rfm_service_pb2.GetRfmRunRequest, context: Any) -> rfm_pb2.RfmRun:
        run_id = parse_name("rfmRuns", request.name)
        with self.calls.read() as session:
            return mapping.run_to_proto(queries.get_run(session, run_id))

    def ListRfmRuns(
        self, request: rfm_service_pb2.ListRfmRunsRequest, context: Any
    ) -> rfm_service_pb2.ListRfmRunsResponse:
        with self.calls.read() as session:
            page = queries.list_runs(session, page_size=request.page_size, page_token=request.page_token)
        return rfm_service_pb2.ListRfmRunsResponse(
            runs=map(mapping.run_to_proto, page.rows), next_page_token=page.next_token
        )

    def GetRfmScore(self, request: rfm_service_pb2.GetRfmScoreRequest, context: Any) -> rfm_pb2.RfmScore:
        customer_id = parse_name("customers", request.customer, field="customer")
        day = _day(request.analysis_date)
        with self.calls.read() as session:
            return mapping.score_to_proto(*queries.get_score(session, customer_id, day))

    def ListRfmScores(
        self, request: rfm_service_pb2.ListRfmScoresRequest, context: Any
    ) -> rfm_service_pb2.ListRfmScoresResponse:
        day = _day(request.analysis_date)
        with self.calls.read() as session:
            run, page = queries.list_scores(
                session,
                day,
                segments=mapping.segments_from_proto(request.segments),
                types=mapping.types_from_proto(request.types),
                page_size=request.page_size,
                page_token=request.page_token,
            )
        return rfm_service_pb2.ListRfmScoresResponse(
            scores=[mapping.score_to_proto(score, run) for score in page.rows],
            next_page_token=page.next_token,
            run=mapping.run_to_proto(run),
        )

    def GetRfmSummary(self, request: rfm_service_pb2.GetRfmSummaryRequest, context: Any) -> rfm_pb2.RfmSummary:
        day = _day(request.analysis_date)
        with self.calls.read() as session:
            return mapping.summary_to_proto(queries.summary(session, day))

    def GetRfmPolicy(self, request: rfm_service_pb2.GetRfmPolicyRequest, context: Any) -> rfm_pb2.RfmPolicy:
        with self.calls.read() as session:
            return mapping.policy_to_proto(policy_row(session))

    def UpdateRfmPolicy(self, request: rfm_service_pb2.UpdateRfmPolicyRequest, context: Any) -> rfm_pb2.RfmPolicy:
        given = request.policy
        changes = mapping.policy_changes(given, changed_paths(given, request.update_mask, mapping.POLICY_FIELDS))
        return self.calls.write(
            request,
            rfm_pb2.RfmPolicy,
            lambda session: mapping.policy_to_proto(update_rfm_policy(session, changes, given.etag)),
        )


def _day(value: str) -> date | None:
    return parse_day(value, field="analysis_date") if value else None
