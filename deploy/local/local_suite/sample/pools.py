"""The public pools of the sample company, one for each theatre and one for the rest, with some customers in them."""

from collections.abc import Callable, Mapping, Sequence

from crm.common.v1 import filter_pb2
from crm.customers.v1 import (
    customer_service_pb2,
    customer_service_pb2_grpc,
    pool_pb2,
    pool_service_pb2,
    pool_service_pb2_grpc,
)

from local_suite.client import SuiteClient

POOLED = 60
HOLD_LIMIT = 250
"""More than anybody holds, so that all can claim and be given customers."""
REASONS = ("NO_BUDGET", "NO_ANSWER", "NOT_NOW")

_RECYCLE = pool_pb2.RecycleRule(days_by_level={"A": 7, "B": 15, "C": 30, "D": 60}, days=30)


def fill_pools(
    suite: SuiteClient,
    request_id: Callable[[str, str], str],
    theatres: Sequence[str],
    departments: Mapping[str, str],
    heads: Mapping[str, str],
) -> None:
    """Make the pools, administered by the heads, and give some customers back to them, each to the pool of its owner's
    theatre."""
    pools = pool_service_pb2_grpc.PoolServiceStub(suite.customers)
    for title in (*theatres, "全国"):
        of_theatre = [departments[title]] if title in departments else []
        pool = pool_pb2.Pool(
            display_name=f"{title.removesuffix('战区')}公海",
            departments=of_theatre,
            members=of_theatre or [departments["总部"]],
            administrators=[heads[title if of_theatre else "总部"]],
            hidden_fields=[] if of_theatre else ["phones", "emails"],
            rules=pool_pb2.PoolRules(hold_limit=HOLD_LIMIT, recycle=_RECYCLE),
        )
        request = pool_service_pb2.CreatePoolRequest(pool=pool, request_id=request_id("pool", title))
        pools.CreatePool(request, metadata=suite.admin, timeout=10)
    listing = customer_service_pb2_grpc.CustomerServiceStub(suite.customers)
    newest = customer_service_pb2.ListCustomersRequest(
        page_size=200, order_by=[filter_pb2.OrderBy(field="display_name", descending=True)]
    )
    owned = [one for one in listing.ListCustomers(newest, metadata=suite.admin, timeout=30).customers if one.owner]
    for number, customer in enumerate(owned[:POOLED]):
        release = pool_service_pb2.ReleaseCustomerRequest(
            name=customer.name,
            reason=REASONS[number % len(REASONS)],
            request_id=request_id("release", customer.name),
        )
        pools.ReleaseCustomer(release, metadata=suite.admin, timeout=10)
