"""A customer with what belongs to it, as one answer."""

from uuid import UUID

from chassis import custom_fields
from chassis.custom_field_messages import custom_field_to_proto
from chassis.db import ServiceSession
from chassis.names import parse_name
from crm.customers.v1 import contact_service_pb2, customer_service_pb2

from customers import mapping, queries
from customers.first_pages import first_contacts, first_entries
from customers.own_fields import ENTITY
from customers.purchases import mapping as purchase_mapping
from customers.purchases import queries as purchase_queries


def overview(
    session: ServiceSession, request: customer_service_pb2.GetCustomerOverviewRequest
) -> customer_service_pb2.CustomerOverview:
    """Read the parts that are asked for. Raises NotFound if the caller may not see the customer."""
    row = queries.get_customer(session, parse_name("customers", request.name))
    answer = customer_service_pb2.CustomerOverview(customer=mapping.customer_to_proto(row))
    if request.contact_page_size and session.caller.granted("contact.read"):
        contacts = first_contacts(session, row, request.contact_page_size)
        answer.contacts.CopyFrom(
            contact_service_pb2.ListContactsResponse(
                contacts=map(mapping.contact_to_proto, contacts.rows), next_page_token=contacts.next_token
            )
        )
    if request.timeline_page_size:
        entries = first_entries(session, row, request.timeline_page_size)
        answer.timeline.CopyFrom(
            customer_service_pb2.ListTimelineEntriesResponse(
                entries=map(mapping.entry_to_proto, entries.rows), next_page_token=entries.next_token
            )
        )
    if request.custom_fields:
        answer.custom_fields.extend(map(custom_field_to_proto, custom_fields.rows_of_fields(session, ENTITY)))
    if request.purchases and purchase_queries.may_see(session, row):
        _add_purchases(session, row.id, answer)
    answer.read_time.FromDatetime(session.now)
    return answer


def _add_purchases(session: ServiceSession, customer_id: UUID, answer: customer_service_pb2.CustomerOverview) -> None:
    insight = purchase_queries.purchase_insight(session, customer_id)
    answer.purchases.CopyFrom(purchase_mapping.insight_to_proto(answer.customer.name, *insight))
    scored = purchase_queries.newest_score(session, customer_id)
    if scored is not None:
        answer.rfm.CopyFrom(purchase_mapping.score_to_proto(*scored))
        answer.rfm_time.FromDatetime(scored[1].create_time)
