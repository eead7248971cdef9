"""Some customers of the sample company, shared among its sales people."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

from crm.common.v1 import filter_pb2, share_pb2
from crm.customers.v1 import (
    customer_service_pb2,
    customer_service_pb2_grpc,
    customer_share_service_pb2,
    customer_share_service_pb2_grpc,
)
from google.protobuf.timestamp_pb2 import Timestamp

from local_suite.client import SuiteClient

SHARED = 24
DAYS = 90


def share_customers(suite: SuiteClient, request_id: Callable[[str, str], str], now: datetime) -> None:
    """Share some customers with the owner of another one: every other for collaboration, every third for a while."""
    listing = customer_service_pb2_grpc.CustomerServiceStub(suite.customers)
    request = customer_service_pb2.ListCustomersRequest(
        page_size=200, order_by=[filter_pb2.OrderBy(field="display_name")]
    )
    customers = [
        each for each in listing.ListCustomers(request, metadata=suite.admin, timeout=30).customers if each.owner
    ]
    pairs = [(one, other) for one, other in pairwise(customers) if one.owner != other.owner]
    sharing = customer_share_service_pb2_grpc.CustomerShareServiceStub(suite.customers)
    until = Timestamp()
    until.FromDatetime(now + timedelta(days=DAYS))
    for number, (one, other) in enumerate(pairs[:SHARED]):
        share = customer_share_service_pb2.ShareCustomerRequest(
            name=one.name,
            user=other.owner,
            level=share_pb2.SHARE_LEVEL_READ_ONLY if number % 2 else share_pb2.SHARE_LEVEL_COLLABORATE,
            expire_time=None if number % 3 else until,
            request_id=request_id("share", one.name),
        )
        sharing.ShareCustomer(share, metadata=suite.admin, timeout=10)
