"""Some customers of the sample company that belong together: groups with subsidiaries, and who supplies them."""

from collections.abc import Callable, Iterator, Sequence

from crm.common.v1 import filter_pb2
from crm.customers.v1 import (
    customer_relation_pb2,
    customer_relation_service_pb2,
    customer_relation_service_pb2_grpc,
    customer_service_pb2,
    customer_service_pb2_grpc,
)

from local_suite.client import SuiteClient

GROUPS = 8
MEMBERS = 5
"""Customers per group, its head included."""


def relate_customers(suite: SuiteClient, request_id: Callable[[str, str], str]) -> None:
    """Make groups of a head, two subsidiaries, a branch of the first of them, and a supplier of the head."""
    listing = customer_service_pb2_grpc.CustomerServiceStub(suite.customers)
    request = customer_service_pb2.ListCustomersRequest(
        page_size=GROUPS * MEMBERS, order_by=[filter_pb2.OrderBy(field="display_name")]
    )
    names = [each.name for each in listing.ListCustomers(request, metadata=suite.admin, timeout=30).customers]
    stub = customer_relation_service_pb2_grpc.CustomerRelationServiceStub(suite.customers)
    for start in range(0, len(names) - MEMBERS + 1, MEMBERS):
        there = customer_relation_service_pb2.ListCustomerRelationsRequest(customer=names[start], page_size=1)
        if stub.ListCustomerRelations(there, metadata=suite.admin, timeout=10).customer_relations:
            continue  # loaded on another day
        for customer, related, kind in _group(names[start : start + MEMBERS]):
            relation = customer_relation_pb2.CustomerRelation(
                customer=customer,
                related=related,
                kind=customer_relation_pb2.CustomerRelationKind.Value(f"CUSTOMER_RELATION_KIND_{kind}"),
            )
            create = customer_relation_service_pb2.CreateCustomerRelationRequest(
                customer_relation=relation, request_id=request_id("relation", f"{customer} {related}")
            )
            stub.CreateCustomerRelation(create, metadata=suite.admin, timeout=10)


def _group(members: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    head, first, second, branch, supplier = members
    yield first, head, "SUBSIDIARY"
    yield second, head, "SUBSIDIARY"
    yield branch, first, "BRANCH"
    yield supplier, head, "SUPPLIER"
