"""OfflineSyncService."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from chassis.calls import Calls
from chassis.db import ServiceSession
from crm.leads.v1 import offline_sync_service_pb2 as pb
from crm.leads.v1 import offline_sync_service_pb2_grpc as pb_grpc

from leads import lead_queries
from leads.model import OfflineOperation
from leads.offline import mapping
from leads.offline.applying import apply_operations
from leads.offline.conflicts import list_conflicts, resolve_conflict
from leads.offline.feed import read_changes
from leads.offline.showing import work_of
from leads.reachable import Customers


class OfflineSyncServicer(pb_grpc.OfflineSyncServiceServicer):
    """Implements OfflineSyncService."""

    def __init__(self, calls: Calls, customers: Customers) -> None:
        self.calls = calls
        self.customers = customers

    def ListChanges(self, request: pb.ListChangesRequest, context: Any) -> pb.ListChangesResponse:
        with self.calls.read() as session:
            feed = read_changes(session, request.since, request.entities, request.page_size)
            work = work_of(session, feed)
        return mapping.feed_to_proto(feed, work)

    def ApplyOperations(self, request: pb.ApplyOperationsRequest, context: Any) -> pb.ApplyOperationsResponse:
        operations = [mapping.operation_from_proto(one) for one in request.operations]

        def apply(session: ServiceSession) -> pb.ApplyOperationsResponse:
            outcomes = apply_operations(session, operations, self.customers)
            leads = _leads(session, [one.kept for one in outcomes if one.kept is not None])
            return pb.ApplyOperationsResponse(outcomes=[mapping.outcome_to_proto(one, leads) for one in outcomes])

        return self.calls.write(request, pb.ApplyOperationsResponse, apply)

    def ListOfflineConflicts(
        self, request: pb.ListOfflineConflictsRequest, context: Any
    ) -> pb.ListOfflineConflictsResponse:
        with self.calls.read() as session:
            page = list_conflicts(session, page_size=request.page_size, page_token=request.page_token)
            leads = _leads(session, page.rows)
        return pb.ListOfflineConflictsResponse(
            conflicts=[mapping.operation_to_proto(one, leads) for one in page.rows], next_page_token=page.next_token
        )

    def ResolveOfflineConflict(self, request: pb.ResolveOfflineConflictRequest, context: Any) -> pb.OfflineOutcome:
        client_id = mapping.client_id(request.client_id)

        def resolve(session: ServiceSession) -> pb.OfflineOutcome:
            operation, lead = resolve_conflict(
                session, client_id, request.keep_mine, request.keep_theirs, etag=request.etag
            )
            return mapping.operation_to_proto(operation, {lead.id: lead})

        return self.calls.write(request, pb.OfflineOutcome, resolve)


def _leads(session: ServiceSession, operations: Iterable[OfflineOperation]) -> Mapping[UUID, Any]:
    """The leads that operations were about, as far as the caller may see them."""
    ids = [one.lead_id for one in operations if one.lead_id is not None]
    return {row.id: row for row in lead_queries.batch_get_leads(session, ids)} if ids else {}
