"""Customers, contacts, timeline and the company's own fields."""

from datetime import datetime

import strawberry
from crm.common.v1 import custom_field_pb2
from crm.customers.v1 import (
    contact_pb2,
    contact_service_pb2,
    custom_field_service_pb2,
    customer_pb2,
    customer_service_pb2,
)

from gateway.conditions import FilterInput, OrderByInput, to_filter, to_order
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect, page_fields
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.masks import read_mask
from gateway.nodes import Key
from gateway.operations.fetching import get_contact, get_customer, pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.customers import (
    Contact,
    Customer,
    CustomerConnection,
    CustomerTransferResult,
    CustomField,
    TimelineEntry,
)

OUTPUT = {
    "owner_department",
    "last_follow_up_time",
    "last_effective_follow_up_time",
    "creator",
    "create_time",
    "update_time",
} | {
    "quality_score",
    "tag_details",
}


_FIXED = {"currency", "collection", "pattern", "result_type"}
"""What never changes of a field."""


@strawberry.type
class CustomersQuery:
    @field("A customer.")
    async def customer(self, info: Info, key: Key) -> Customer | None:
        return await get_customer(info.context, key)

    @field(
        "Customers, those changed last first if no order is given. `search` finds a part of the name, "
        "pinyin initials, a part of a phone number or e-mail address, or a credit code."
    )
    async def customers(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
        search: str | None = None,
        order_by: list[OrderByInput] | None = None,
    ) -> CustomerConnection | None:
        condition = to_filter(filter, customer_pb2.Customer.DESCRIPTOR)
        fetch = pages(
            info.context,
            info.context.services.customers.ListCustomers,
            customer_service_pb2.ListCustomersRequest,
            "customers",
            filter=condition,
            search=search or "",
            order_by=to_order(order_by, customer_pb2.Customer.DESCRIPTOR),
            read_mask=read_mask(info, Customer),
        )
        fields = await page_fields(first, after, Customer, fetch)
        return CustomerConnection(filter=condition, search=search or "", **fields)

    @field("A contact.")
    async def contact(self, info: Info, key: Key) -> Contact | None:
        return await get_contact(info.context, key)

    @field("The contacts of a customer, the primary one first.")
    async def contacts(
        self,
        info: Info,
        customer: strawberry.ID,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
    ) -> Connection[Contact] | None:
        condition = to_filter(filter, contact_pb2.Contact.DESCRIPTOR)
        method, request = info.context.services.contacts.ListContacts, contact_service_pb2.ListContactsRequest
        return await connect(
            first,
            after,
            Contact,
            pages(info.context, method, request, "contacts", customers=[customer], filter=condition),
        )

    @field("What happened with a customer, newest first; only some kinds, sources, actors or times, if given.")
    async def timeline(
        self,
        info: Info,
        customer: strawberry.ID,
        first: First = DEFAULT_PAGE,
        after: After = None,
        kinds: list[str] | None = None,
        sources: list[str] | None = None,
        actor_ids: list[strawberry.ID] | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> Connection[TimelineEntry] | None:
        fetch = pages(
            info.context,
            info.context.services.customers.ListTimelineEntries,
            customer_service_pb2.ListTimelineEntriesRequest,
            "entries",
            customer=customer,
            kinds=kinds or (),
            sources=sources or (),
            actors=actor_ids or (),
            start_time=start_time,
            end_time=end_time,
        )
        return await connect(first, after, TimelineEntry, fetch)

    @field("The company's own fields of an entity, in the order they were created.")
    async def custom_fields(
        self, info: Info, entity: str = "customer", first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[CustomField] | None:
        method = info.context.services.custom_fields.ListCustomFields
        request = custom_field_service_pb2.ListCustomFieldsRequest
        return await connect(
            first, after, CustomField, pages(info.context, method, request, "custom_fields", entity=entity)
        )


@derive_input(customer_pb2.Customer, required={"display_name"}, hide={"name", "etag", *OUTPUT}, references={"owner"})
class CreateCustomerInput(Input[customer_pb2.Customer]):
    request_id: RequestId = None


@derive_input(customer_pb2.Customer, required={"name"}, hide={"kind", "owner", *OUTPUT})
class UpdateCustomerInput(Input[customer_pb2.Customer]):
    request_id: RequestId = None


@strawberry.input(description="Gives several customers to another owner. Those that cannot be given are passed over.")
class BatchTransferCustomersInput:
    ids: list[strawberry.ID] = strawberry.field(description="At most 500.")
    owner_id: strawberry.ID = strawberry.field(description="The new owner, `users/{uuid}`.")
    reason: str | None = None
    request_id: RequestId = None


@strawberry.input(description="Gives a customer to another owner.")
class TransferCustomerInput:
    id: strawberry.ID
    owner_id: strawberry.ID = strawberry.field(description="The new owner, `users/{uuid}`.")
    reason: str | None = None
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@derive_input(
    contact_pb2.Contact,
    required={"customer", "display_name"},
    hide={"name", "etag", "create_time", "update_time"},
    references={"customer", "reports_to"},
)
class CreateContactInput(Input[contact_pb2.Contact]):
    request_id: RequestId = None


@derive_input(
    contact_pb2.Contact,
    required={"name"},
    hide={"customer", "create_time", "update_time"},
    references={"reports_to"},
)
class UpdateContactInput(Input[contact_pb2.Contact]):
    request_id: RequestId = None


@derive_input(
    custom_field_pb2.CustomField,
    required={"key", "label", "type"},
    hide={"name", "etag", "create_time", "archived"},
)
class CreateCustomFieldInput(Input[custom_field_pb2.CustomField]):
    request_id: RequestId = None


@derive_input(custom_field_pb2.CustomField, required={"name"}, hide={"entity", "key", "type", "create_time", *_FIXED})
class UpdateCustomFieldInput(Input[custom_field_pb2.CustomField]):
    request_id: RequestId = None


@strawberry.type
class CustomersMutation:
    @mutation("Creates a customer; the caller owns it unless another owner is given.")
    async def create_customer(self, info: Info, input: CreateCustomerInput) -> Customer | None:  # noqa: A002
        request = customer_service_pb2.CreateCustomerRequest(
            customer=input.to_proto(), request_id=input.request_id or ""
        )
        return Customer(await info.context.calls(info.context.services.customers.CreateCustomer, request))

    @mutation("Changes a customer: the fields that are given, of its custom fields the keys that are given.")
    async def update_customer(self, info: Info, input: UpdateCustomerInput) -> Customer | None:  # noqa: A002
        request = customer_service_pb2.UpdateCustomerRequest(
            customer=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return Customer(await info.context.calls(info.context.services.customers.UpdateCustomer, request))

    @mutation("Gives a customer to another owner.")
    async def transfer_customer(self, info: Info, input: TransferCustomerInput) -> Customer | None:  # noqa: A002
        request = customer_service_pb2.TransferCustomerRequest(
            name=input.id,
            owner=input.owner_id,
            reason=input.reason or "",
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        return Customer(await info.context.calls(info.context.services.customers.TransferCustomer, request))

    @mutation("Gives several customers to another owner, all in one transaction.")
    async def batch_transfer_customers(
        self,
        info: Info,
        input: BatchTransferCustomersInput,  # noqa: A002
    ) -> list[CustomerTransferResult] | None:
        request = customer_service_pb2.BatchTransferCustomersRequest(
            names=input.ids, owner=input.owner_id, reason=input.reason or "", request_id=input.request_id or ""
        )
        answer = await info.context.calls(info.context.services.customers.BatchTransferCustomers, request)
        return [CustomerTransferResult(result) for result in answer.results]

    @mutation("Deletes a customer with its contacts and returns its id.")
    async def delete_customer(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = customer_service_pb2.DeleteCustomerRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.customers.DeleteCustomer, request)
        return input.id

    @mutation("Creates a contact.")
    async def create_contact(self, info: Info, input: CreateContactInput) -> Contact | None:  # noqa: A002
        request = contact_service_pb2.CreateContactRequest(contact=input.to_proto(), request_id=input.request_id or "")
        return Contact(await info.context.calls(info.context.services.contacts.CreateContact, request))

    @mutation("Changes a contact.")
    async def update_contact(self, info: Info, input: UpdateContactInput) -> Contact | None:  # noqa: A002
        request = contact_service_pb2.UpdateContactRequest(
            contact=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return Contact(await info.context.calls(info.context.services.contacts.UpdateContact, request))

    @mutation("Deletes a contact and returns its id.")
    async def delete_contact(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = contact_service_pb2.DeleteContactRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.contacts.DeleteContact, request)
        return input.id

    @mutation("Creates a field of the company's own. It takes values from now on.")
    async def create_custom_field(self, info: Info, input: CreateCustomFieldInput) -> CustomField | None:  # noqa: A002
        message = input.to_proto()
        message.entity = message.entity or "customer"
        request = custom_field_service_pb2.CreateCustomFieldRequest(
            custom_field=message, request_id=input.request_id or ""
        )
        return CustomField(await info.context.calls(info.context.services.custom_fields.CreateCustomField, request))

    @mutation("Changes a field of the company's own.")
    async def update_custom_field(self, info: Info, input: UpdateCustomFieldInput) -> CustomField | None:  # noqa: A002
        request = custom_field_service_pb2.UpdateCustomFieldRequest(
            custom_field=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        return CustomField(await info.context.calls(info.context.services.custom_fields.UpdateCustomField, request))
