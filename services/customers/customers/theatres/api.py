"""The gRPC methods of CustomerTheatreService."""

from typing import Any

from chassis.calls import Calls
from chassis.db import ServiceSession
from chassis.names import make_name, parse_name
from crm.customers.v1 import customer_theatre_pb2, customer_theatre_service_pb2, customer_theatre_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from customers.theatres.queries import TheatreView, list_theatres, opened_view
from customers.usecases.assign_customer_theatre import assign_customer_theatre, end_customer_theatre

COLLECTION = "customerTheatres"


class CustomerTheatreServicer(customer_theatre_service_pb2_grpc.CustomerTheatreServiceServicer):
    """Implements CustomerTheatreService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def AssignCustomerTheatre(
        self, request: customer_theatre_service_pb2.AssignCustomerTheatreRequest, context: Any
    ) -> customer_theatre_pb2.CustomerTheatre:
        customer_id = parse_name("customers", request.customer, field="customer")
        owner_id = parse_name("users", request.owner, field="owner")
        return self.calls.write(
            request,
            customer_theatre_pb2.CustomerTheatre,
            lambda session: _to_proto(opened_view(session, assign_customer_theatre(session, customer_id, owner_id))),
        )

    def EndCustomerTheatre(
        self, request: customer_theatre_service_pb2.EndCustomerTheatreRequest, context: Any
    ) -> Empty:
        theatre_id = parse_name(COLLECTION, request.name)

        def end(session: ServiceSession) -> Empty:
            end_customer_theatre(session, theatre_id)
            return Empty()

        return self.calls.write(request, Empty, end)

    def ListCustomerTheatres(
        self, request: customer_theatre_service_pb2.ListCustomerTheatresRequest, context: Any
    ) -> customer_theatre_service_pb2.ListCustomerTheatresResponse:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            views, token = list_theatres(
                session, customer_id, page_size=request.page_size, page_token=request.page_token
            )
        return customer_theatre_service_pb2.ListCustomerTheatresResponse(
            customer_theatres=map(_to_proto, views), next_page_token=token
        )


def _to_proto(view: TheatreView) -> customer_theatre_pb2.CustomerTheatre:
    message = customer_theatre_pb2.CustomerTheatre(
        name=make_name(COLLECTION, view.id),
        customer=make_name("customers", view.customer_id),
        theatre=make_name("departments", view.theatre_id),
        holder=view.id is None,
        last_touch_date=view.last_touch_date.isoformat() if view.last_touch_date else "",
        open=view.open,
        owner=make_name("users", view.owner_id),
    )
    if view.next_contact_time is not None:
        message.next_contact_time.FromDatetime(view.next_contact_time)
    if view.start_time is not None:
        message.start_time.FromDatetime(view.start_time)
    return message
