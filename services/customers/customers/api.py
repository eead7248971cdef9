"""The gRPC methods: open a transaction, call, map."""

from typing import Any

from chassis import custom_fields
from chassis.calls import Calls
from chassis.custom_field_messages import changes_from_proto, custom_field_to_proto, draft_from_proto
from chassis.db import ServiceSession
from chassis.names import parse_name
from crm.common.v1 import custom_field_pb2
from crm.customers.v1 import (
    contact_pb2,
    contact_service_pb2,
    contact_service_pb2_grpc,
    custom_field_service_pb2,
    custom_field_service_pb2_grpc,
    customer_pb2,
    customer_service_pb2,
    customer_service_pb2_grpc,
    identity_number_service_pb2,
    identity_number_service_pb2_grpc,
)
from google.protobuf.empty_pb2 import Empty

from customers import mapping, queries
from customers.customer_messages import reader_for
from customers.decisions.chain import decision_chain
from customers.interactions.mapping import narrowing
from customers.model.tags import FieldTemplate
from customers.overview import overview
from customers.own_fields import ENTITY
from customers.timeline_queries import list_timeline
from customers.usecases.create_contact import create_contact
from customers.usecases.create_custom_field import create_custom_field
from customers.usecases.create_customer import create_customer
from customers.usecases.delete_contact import delete_contact
from customers.usecases.delete_customer import delete_customer
from customers.usecases.reveal_identity_number import reveal_identity_number
from customers.usecases.set_field_template import check_kind, set_field_template
from customers.usecases.transfer_customer import transfer_customer
from customers.usecases.transfer_customers import transfer_customers
from customers.usecases.update_contact import update_contact
from customers.usecases.update_custom_field import update_custom_field
from customers.usecases.update_customer import update_customer

_SECRET = ("customer.identity_number", "contact.identity_number")
"""Not kept for retries, not even as part of a digest: there are few enough numbers to try them all."""


class CustomerServicer(customer_service_pb2_grpc.CustomerServiceServicer):
    """Implements CustomerService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetCustomer(self, request: customer_service_pb2.GetCustomerRequest, context: Any) -> customer_pb2.Customer:
        with self.calls.read() as session:
            return mapping.customer_to_proto(queries.get_customer(session, parse_name("customers", request.name)))

    def GetCustomerOverview(
        self, request: customer_service_pb2.GetCustomerOverviewRequest, context: Any
    ) -> customer_service_pb2.CustomerOverview:
        with self.calls.read() as session:
            return overview(session, request)

    def BatchGetCustomers(
        self, request: customer_service_pb2.BatchGetCustomersRequest, context: Any
    ) -> customer_service_pb2.BatchGetCustomersResponse:
        ids = mapping.parse_names("customers", request.names, field="names")
        with self.calls.read() as session:
            rows = queries.batch_get_customers(session, ids)
        return customer_service_pb2.BatchGetCustomersResponse(customers=map(mapping.customer_to_proto, rows))

    def ListCustomers(
        self, request: customer_service_pb2.ListCustomersRequest, context: Any
    ) -> customer_service_pb2.ListCustomersResponse:
        reader = reader_for(request.read_mask.paths)
        with self.calls.read() as session:
            page = queries.list_customers(
                session,
                conditions=request.filter,
                query=request.search,
                order_by=request.order_by,
                page_size=request.page_size,
                page_token=request.page_token,
                columns=reader.columns,
            )
        return customer_service_pb2.ListCustomersResponse(
            customers=reader.messages(page.rows), next_page_token=page.next_token
        )

    def CountCustomers(
        self, request: customer_service_pb2.CountCustomersRequest, context: Any
    ) -> customer_service_pb2.CountCustomersResponse:
        with self.calls.read() as session:
            count = queries.count_customers(session, conditions=request.filter, query=request.search)
        return customer_service_pb2.CountCustomersResponse(count=count)

    def CreateCustomer(
        self, request: customer_service_pb2.CreateCustomerRequest, context: Any
    ) -> customer_pb2.Customer:
        draft = mapping.draft_from_proto(request.customer)
        return self.calls.write(
            request,
            customer_pb2.Customer,
            lambda session: mapping.customer_to_proto(create_customer(session, draft)),
            secret_fields=_SECRET,
        )

    def UpdateCustomer(
        self, request: customer_service_pb2.UpdateCustomerRequest, context: Any
    ) -> customer_pb2.Customer:
        customer_id = parse_name("customers", request.customer.name)
        patch = mapping.patch_from_proto(request.customer, request.update_mask)
        return self.calls.write(
            request,
            customer_pb2.Customer,
            lambda session: mapping.customer_to_proto(update_customer(session, customer_id, patch)),
            secret_fields=_SECRET,
        )

    def TransferCustomer(
        self, request: customer_service_pb2.TransferCustomerRequest, context: Any
    ) -> customer_pb2.Customer:
        customer_id = parse_name("customers", request.name)
        owner_id = parse_name("users", request.owner, field="owner")
        return self.calls.write(
            request,
            customer_pb2.Customer,
            lambda session: mapping.customer_to_proto(
                transfer_customer(session, customer_id, owner_id, reason=request.reason, etag=request.etag)
            ),
        )

    def BatchTransferCustomers(
        self, request: customer_service_pb2.BatchTransferCustomersRequest, context: Any
    ) -> customer_service_pb2.BatchTransferCustomersResponse:
        ids = mapping.parse_names("customers", request.names, field="names")
        owner_id = parse_name("users", request.owner, field="owner")

        def transfer(session: ServiceSession) -> customer_service_pb2.BatchTransferCustomersResponse:
            results = transfer_customers(session, ids, owner_id, reason=request.reason)
            return customer_service_pb2.BatchTransferCustomersResponse(results=map(mapping.result_to_proto, results))

        return self.calls.write(request, customer_service_pb2.BatchTransferCustomersResponse, transfer)

    def DeleteCustomer(self, request: customer_service_pb2.DeleteCustomerRequest, context: Any) -> Empty:
        customer_id = parse_name("customers", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_customer(session, customer_id, etag=request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)

    def ListTimelineEntries(
        self, request: customer_service_pb2.ListTimelineEntriesRequest, context: Any
    ) -> customer_service_pb2.ListTimelineEntriesResponse:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            page = list_timeline(
                session,
                customer_id,
                kinds=request.kinds,
                narrowing=narrowing(request),
                page_size=request.page_size,
                page_token=request.page_token,
            )
        return customer_service_pb2.ListTimelineEntriesResponse(
            entries=map(mapping.entry_to_proto, page.rows), next_page_token=page.next_token
        )


class ContactServicer(contact_service_pb2_grpc.ContactServiceServicer):
    """Implements ContactService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def GetContact(self, request: contact_service_pb2.GetContactRequest, context: Any) -> contact_pb2.Contact:
        with self.calls.read() as session:
            return mapping.contact_to_proto(queries.get_contact(session, parse_name("contacts", request.name)))

    def BatchGetContacts(
        self, request: contact_service_pb2.BatchGetContactsRequest, context: Any
    ) -> contact_service_pb2.BatchGetContactsResponse:
        ids = mapping.parse_names("contacts", request.names, field="names")
        with self.calls.read() as session:
            rows = queries.batch_get_contacts(session, ids)
        return contact_service_pb2.BatchGetContactsResponse(contacts=map(mapping.contact_to_proto, rows))

    def GetDecisionChain(
        self, request: contact_service_pb2.GetDecisionChainRequest, context: Any
    ) -> contact_service_pb2.DecisionChain:
        customer_id = parse_name("customers", request.customer, field="customer")
        with self.calls.read() as session:
            chain = decision_chain(session, customer_id)
        return contact_service_pb2.DecisionChain(
            customer=request.customer,
            nodes=[
                contact_service_pb2.DecisionChainNode(contact=mapping.contact_to_proto(one.contact), depth=one.depth)
                for one in chain.nodes
            ],
            truncated=chain.truncated,
        )

    def ListContacts(
        self, request: contact_service_pb2.ListContactsRequest, context: Any
    ) -> contact_service_pb2.ListContactsResponse:
        ids = mapping.parse_names("customers", request.customers, field="customers")
        with self.calls.read() as session:
            page = queries.list_contacts(
                session, ids, conditions=request.filter, page_size=request.page_size, page_token=request.page_token
            )
        return contact_service_pb2.ListContactsResponse(
            contacts=map(mapping.contact_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateContact(self, request: contact_service_pb2.CreateContactRequest, context: Any) -> contact_pb2.Contact:
        customer_id, given = mapping.contact_draft(request.contact)
        return self.calls.write(
            request,
            contact_pb2.Contact,
            lambda session: mapping.contact_to_proto(
                create_contact(session, customer_id, given.values, given.custom_fields)
            ),
            secret_fields=_SECRET,
        )

    def UpdateContact(self, request: contact_service_pb2.UpdateContactRequest, context: Any) -> contact_pb2.Contact:
        contact_id = parse_name("contacts", request.contact.name)
        given = mapping.contact_patch(request.contact, request.update_mask)
        return self.calls.write(
            request,
            contact_pb2.Contact,
            lambda session: mapping.contact_to_proto(
                update_contact(session, contact_id, **vars(given), etag=request.contact.etag)
            ),
            secret_fields=_SECRET,
        )

    def DeleteContact(self, request: contact_service_pb2.DeleteContactRequest, context: Any) -> Empty:
        contact_id = parse_name("contacts", request.name)

        def delete(session: ServiceSession) -> Empty:
            delete_contact(session, contact_id, etag=request.etag)
            return Empty()

        return self.calls.write(request, Empty, delete)


class IdentityNumberServicer(identity_number_service_pb2_grpc.IdentityNumberServiceServicer):
    """Implements IdentityNumberService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def RevealIdentityNumber(
        self, request: identity_number_service_pb2.RevealIdentityNumberRequest, context: Any
    ) -> identity_number_service_pb2.RevealIdentityNumberResponse:
        collection = "contacts" if request.name.startswith("contacts/") else "customers"
        person_id = parse_name(collection, request.name)

        def reveal(session: ServiceSession) -> identity_number_service_pb2.RevealIdentityNumberResponse:
            number = reveal_identity_number(session, collection, person_id, request.reason)
            return identity_number_service_pb2.RevealIdentityNumberResponse(name=request.name, identity_number=number)

        return self.calls.write(
            request,
            identity_number_service_pb2.RevealIdentityNumberResponse,
            reveal,
            secret_fields=("identity_number",),
        )


class CustomFieldServicer(custom_field_service_pb2_grpc.CustomFieldServiceServicer):
    """Implements CustomFieldService."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def ListCustomFields(
        self, request: custom_field_service_pb2.ListCustomFieldsRequest, context: Any
    ) -> custom_field_service_pb2.ListCustomFieldsResponse:
        with self.calls.read() as session:
            page = custom_fields.page_of_fields(
                session, request.entity or ENTITY, size=request.page_size, token=request.page_token
            )
        return custom_field_service_pb2.ListCustomFieldsResponse(
            custom_fields=map(custom_field_to_proto, page.rows), next_page_token=page.next_token
        )

    def CreateCustomField(
        self, request: custom_field_service_pb2.CreateCustomFieldRequest, context: Any
    ) -> custom_field_pb2.CustomField:
        draft = draft_from_proto(request.custom_field)
        return self.calls.write(
            request,
            custom_field_pb2.CustomField,
            lambda session: custom_field_to_proto(create_custom_field(session, draft)),
        )

    def UpdateCustomField(
        self, request: custom_field_service_pb2.UpdateCustomFieldRequest, context: Any
    ) -> custom_field_pb2.CustomField:
        given = request.custom_field
        field_id = parse_name("customFields", given.name)
        changes = changes_from_proto(given, request.update_mask)

        return self.calls.write(
            request,
            custom_field_pb2.CustomField,
            lambda session: custom_field_to_proto(update_custom_field(session, field_id, changes, etag=given.etag)),
        )

    def GetFieldTemplate(
        self, request: custom_field_service_pb2.GetFieldTemplateRequest, context: Any
    ) -> custom_field_service_pb2.FieldTemplate:
        entity = request.entity or ENTITY
        check_kind(entity, request.kind)
        with self.calls.read() as session:
            stored = session.get(FieldTemplate, (entity, request.kind))
        if stored is None:
            return custom_field_service_pb2.FieldTemplate(entity=entity, kind=request.kind)
        return mapping.template_to_proto(stored)

    def SetFieldTemplate(
        self, request: custom_field_service_pb2.SetFieldTemplateRequest, context: Any
    ) -> custom_field_service_pb2.FieldTemplate:
        given = request.field_template
        fields = [(one.field, one.required) for one in given.shown_fields]
        return self.calls.write(
            request,
            custom_field_service_pb2.FieldTemplate,
            lambda session: mapping.template_to_proto(
                set_field_template(session, given.entity or ENTITY, given.kind, fields, etag=given.etag)
            ),
        )
