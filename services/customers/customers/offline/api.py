"""The gRPC methods of OfflineService."""

from typing import Any

from chassis import paging
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.masks import changed_paths
from chassis.names import parse_name
from chassis.paging import SortKey
from crm.customers.v1 import offline_service_pb2 as pb
from crm.customers.v1 import offline_service_pb2_grpc as pb_grpc
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import select

from customers import mapping as customers_mapping
from customers.model.offline import OfflineClaim
from customers.offline import mapping
from customers.offline.beacons import make_beacon
from customers.usecases.claim_customers import claimant
from customers.usecases.merge_customer_edits import merge_customer_edits
from customers.usecases.submit_offline_claims import submit_offline_claims

_NEWEST = SortKey(OfflineClaim.position, descending=True, nullable=False)


class OfflineServicer(pb_grpc.OfflineServiceServicer):
    """Implements OfflineService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetTimeBeacon(self, request: pb.GetTimeBeaconRequest, context: Any) -> pb.TimeBeacon:
        with self.calls.read() as session:
            now: Any = session.now
            return pb.TimeBeacon(beacon=make_beacon(session, claimant(session).id), time=now)

    def SubmitOfflineClaims(
        self, request: pb.SubmitOfflineClaimsRequest, context: Any
    ) -> pb.SubmitOfflineClaimsResponse:
        intents = [mapping.intent_from_proto(one) for one in request.intents]
        return self.calls.write(
            request,
            pb.SubmitOfflineClaimsResponse,
            lambda session: pb.SubmitOfflineClaimsResponse(
                claims=map(mapping.claim_to_proto, submit_offline_claims(session, intents))
            ),
        )

    def ListOfflineClaims(self, request: pb.ListOfflineClaimsRequest, context: Any) -> pb.ListOfflineClaimsResponse:
        size = paging.page_size(request.page_size)
        with self.calls.read() as session:
            statement = select(OfflineClaim).where(OfflineClaim.user_id == session.caller.user_id)
            mark = paging.fingerprint("offline claims", session.caller.subject)
            page = paging.fetch_page(session, statement, [_NEWEST], size, request.page_token, mark)
        return pb.ListOfflineClaimsResponse(
            offline_claims=map(mapping.claim_to_proto, page.rows), next_page_token=page.next_token
        )

    def MergeCustomerEdits(self, request: pb.MergeCustomerEditsRequest, context: Any) -> pb.MergeCustomerEditsResponse:
        customer_id = parse_name("customers", request.customer.name, field="customer.name")
        edits = customers_mapping.patch_from_proto(request.customer, request.update_mask)
        paths = changed_paths(request.customer, request.update_mask, customers_mapping.CHANGEABLE)
        base = customers_mapping.patch_from_proto(request.base, FieldMask(paths=sorted(paths)))

        def merge(session: ServiceSession) -> pb.MergeCustomerEditsResponse:
            done = merge_customer_edits(session, customer_id, edits, base)
            return pb.MergeCustomerEditsResponse(
                merged=not done.conflicts,
                customer=customers_mapping.customer_to_proto(done.customer),
                conflicts=done.conflicts,
            )

        return self.calls.write(request, pb.MergeCustomerEditsResponse, merge)
