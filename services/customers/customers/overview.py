"""A customer with what belongs to it, as one answer."""

from chassis import custom_fields
from chassis.custom_field_messages import custom_field_to_proto
from chassis.db import ServiceSession
from chassis.names import parse_name
from crm.customers.v1 import contact_service_pb2, customer_service_pb2

from customers import mapping, queries
from customers.own_fields import ENTITY

MOST_FIELDS = 200


def overview(
    session: ServiceSession, request: customer_service_pb2.GetCustomerOverviewRequest
) -> customer_service_pb2.CustomerOverview:
    """Read the parts that are asked for. Raises NotFound if the caller may not see the customer."""
    customer_id = parse_name("customers", request.name)
    answer = customer_service_pb2.CustomerOverview(
        customer=mapping.customer_to_proto(queries.get_customer(session, customer_id))
    )
    if request.contact_page_size and session.caller.granted("contact.read"):
        contacts = queries.list_contacts(session, [customer_id], page_size=request.contact_page_size, page_token="")
        answer.contacts.CopyFrom(
            contact_service_pb2.ListContactsResponse(
                contacts=map(mapping.contact_to_proto, contacts.rows), next_page_token=contacts.next_token
            )
        )
    if request.timeline_page_size:
        entries = queries.timeline_of_visible(session, customer_id, page_size=request.timeline_page_size)
        answer.timeline.CopyFrom(
            customer_service_pb2.ListTimelineEntriesResponse(
                entries=map(mapping.entry_to_proto, entries.rows), next_page_token=entries.next_token
            )
        )
    if request.custom_fields:
        fields = custom_fields.page_of_fields(session, ENTITY, size=MOST_FIELDS, token="")
        answer.custom_fields.extend(map(custom_field_to_proto, fields.rows))
    return answer
