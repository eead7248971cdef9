"""The gRPC method of SearchService."""

from typing import Any

from chassis.calls import Calls
from crm.customers.v1 import search_service_pb2, search_service_pb2_grpc

from customers.mapping import contact_to_proto, customer_to_proto
from customers.searching.queries import search_records

_MATCHES = {name.removeprefix("SEARCH_MATCH_"): number for name, number in search_service_pb2.SearchMatch.items()}


class SearchServicer(search_service_pb2_grpc.SearchServiceServicer):
    """Implements SearchService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def SearchRecords(
        self, request: search_service_pb2.SearchRecordsRequest, context: Any
    ) -> search_service_pb2.SearchRecordsResponse:
        with self.calls.read() as session:
            found = search_records(session, request.query, request.limit)
        return search_service_pb2.SearchRecordsResponse(
            customers=[
                search_service_pb2.CustomerHit(
                    customer=customer_to_proto(hit.row), matches=[_MATCHES[one] for one in hit.matches]
                )
                for hit in found.customers
            ],
            contacts=[
                search_service_pb2.ContactHit(
                    contact=contact_to_proto(hit.row), matches=[_MATCHES[one] for one in hit.matches]
                )
                for hit in found.contacts
            ],
            more_customers=found.more_customers,
            more_contacts=found.more_contacts,
        )
