"""The gRPC methods of CustomerShareService, with what they read and map."""

from datetime import UTC
from typing import Any

from chassis import paging, sharing
from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name, parse_optional_name
from chassis.paging import SortKey
from chassis.sharing import RecordShare
from crm.common.v1 import share_pb2
from crm.customers.v1 import customer_share_pb2, customer_share_service_pb2, customer_share_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from customers import queries
from customers.own_fields import ENTITY
from customers.usecases.end_shares import unshare_customer
from customers.usecases.share_customer import ShareDraft, share_customer

COLLECTION = "customerShares"

_LEVELS = {name.removeprefix("SHARE_LEVEL_"): number for name, number in share_pb2.ShareLevel.items()}
_NAMES = {number: name for name, number in _LEVELS.items()}
_NEWEST = [SortKey(column, descending=True, nullable=False) for column in (RecordShare.create_time, RecordShare.id)]


class CustomerShareServicer(customer_share_service_pb2_grpc.CustomerShareServiceServicer):
    """Implements CustomerShareService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ShareCustomer(
        self, request: customer_share_service_pb2.ShareCustomerRequest, context: Any
    ) -> customer_share_pb2.CustomerShare:
        draft = ShareDraft(
            customer_id=parse_name("customers", request.name),
            user_id=parse_optional_name("users", request.user, field="user"),
            department_id=parse_optional_name("departments", request.department, field="department"),
            level=_NAMES.get(request.level, str(request.level)),
            expire_time=request.expire_time.ToDatetime(UTC) if request.HasField("expire_time") else None,
        )
        return self.calls.write(
            request,
            customer_share_pb2.CustomerShare,
            lambda session: share_to_proto(share_customer(session, draft)),
        )

    def UnshareCustomer(self, request: customer_share_service_pb2.UnshareCustomerRequest, context: Any) -> Empty:
        share_id = parse_name(COLLECTION, request.name)

        def unshare(session: ServiceSession) -> Empty:
            unshare_customer(session, share_id)
            return Empty()

        return self.calls.write(request, Empty, unshare)

    def ListCustomerShares(
        self, request: customer_share_service_pb2.ListCustomerSharesRequest, context: Any
    ) -> customer_share_service_pb2.ListCustomerSharesResponse:
        customer_id = parse_name("customers", request.customer, field="customer")
        size = paging.page_size(request.page_size)
        with self.calls.read() as session:
            queries.get_customer(session, customer_id)
            statement = sharing.live_shares(session, ENTITY).where(RecordShare.record_id == customer_id)
            mark = paging.fingerprint("customer-shares", str(customer_id))
            page = paging.fetch_page(session, statement, _NEWEST, size, request.page_token, mark)
        return customer_share_service_pb2.ListCustomerSharesResponse(
            customer_shares=map(share_to_proto, page.rows), next_page_token=page.next_token
        )


def share_to_proto(share: Any) -> customer_share_pb2.CustomerShare:
    """A share of a customer."""
    return customer_share_pb2.CustomerShare(
        name=make_name(COLLECTION, share.id),
        customer=make_name("customers", share.record_id),
        user=share.grantee if share.grantee.startswith("users/") else "",
        department=share.grantee if share.grantee.startswith("departments/") else "",
        level=_LEVELS[share.level],
        expire_time=share.expire_time,
        creator=share.creator,
        create_time=share.create_time,
        update_time=share.update_time,
    )
