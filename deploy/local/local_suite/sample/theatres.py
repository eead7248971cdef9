"""Some customers of the sample company that a second theatre follows beside their owners."""

from collections.abc import Callable
from itertools import pairwise

from crm.common.v1 import filter_pb2
from crm.customers.v1 import (
    customer_service_pb2,
    customer_service_pb2_grpc,
    customer_theatre_service_pb2,
    customer_theatre_service_pb2_grpc,
)

from local_suite.client import SuiteClient

FOLLOWED = 12


def follow_customers(suite: SuiteClient, request_id: Callable[[str, str], str]) -> None:
    """Let owners of customers in one theatre follow customers of another."""
    listing = customer_service_pb2_grpc.CustomerServiceStub(suite.customers)
    by_name = [filter_pb2.OrderBy(field="display_name", descending=True)]
    request = customer_service_pb2.ListCustomersRequest(page_size=200, order_by=by_name)
    found = listing.ListCustomers(request, metadata=suite.admin, timeout=30).customers
    owned = [each for each in found if each.owner and each.owner_department]
    pairs = [(one, other) for one, other in pairwise(owned) if one.owner_department != other.owner_department]
    following = customer_theatre_service_pb2_grpc.CustomerTheatreServiceStub(suite.customers)
    for one, other in pairs[:FOLLOWED]:
        assign = customer_theatre_service_pb2.AssignCustomerTheatreRequest(
            customer=one.name, owner=other.owner, request_id=request_id("theatre", one.name)
        )
        following.AssignCustomerTheatre(assign, metadata=suite.admin, timeout=10)
