"""The gRPC method of InteractionService: open a transaction, call, map."""

from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from crm.customers.v1 import interaction_service_pb2, interaction_service_pb2_grpc

from customers.interactions import mapping
from customers.usecases.record_interactions import record_interactions


class InteractionServicer(interaction_service_pb2_grpc.InteractionServiceServicer):
    """Implements InteractionService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def RecordInteractions(
        self, request: interaction_service_pb2.RecordInteractionsRequest, context: Any
    ) -> interaction_service_pb2.RecordInteractionsResponse:
        drafts = list(map(mapping.draft_from_proto, request.interactions))

        def record(session: ServiceSession) -> interaction_service_pb2.RecordInteractionsResponse:
            outcomes = record_interactions(session, drafts)
            return interaction_service_pb2.RecordInteractionsResponse(outcomes=map(mapping.outcome_to_proto, outcomes))

        return self.calls.write(request, interaction_service_pb2.RecordInteractionsResponse, record)
