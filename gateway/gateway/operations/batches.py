"""One action on many customers."""

from typing import TYPE_CHECKING

import strawberry
from crm.customers.v1 import customer_batch_service_pb2 as pb
from crm.customers.v1 import customer_pb2

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.operations.transfers import JobInput
from gateway.types.batches import CustomerBatch

_SETTABLE = {"status", "level", "industry", "source", "website", "address", "tags", "custom_fields", "remark"}
_NOT_SET = {each.name for each in customer_pb2.Customer.DESCRIPTOR.fields} - _SETTABLE - {"hidden_fields"}

if TYPE_CHECKING:
    from enum import Enum as CustomerBatchAction
else:
    CustomerBatchAction = enum_of(pb.CustomerBatchAction.DESCRIPTOR)


@strawberry.type
class BatchesQuery:
    @field("An action on many customers, with its progress.")
    async def customer_batch(self, info: Info, key: Key) -> CustomerBatch | None:
        request = pb.GetCustomerBatchRequest(name=key)
        return CustomerBatch(await info.context.calls(info.context.services.batches.GetCustomerBatch, request))

    @field("Actions on many customers, newest first.")
    async def customer_batches(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[CustomerBatch] | None:
        method = info.context.services.batches.ListCustomerBatches
        fetch = pages(info.context, method, pb.ListCustomerBatchesRequest, "customer_batches")
        return await connect(first, after, CustomerBatch, fetch)


@derive_input(customer_pb2.Customer, hide=_NOT_SET)
class CustomerBatchFieldsInput(Input[customer_pb2.Customer]):
    pass


@strawberry.input(description="What to do, and to which customers: give `ids`, or a `filter` or `search`.")
class StartCustomerBatchInput:
    action: CustomerBatchAction
    filter: FilterInput | None = None
    search: str | None = None
    ids: list[strawberry.ID] | None = strawberry.field(default=None, description="At most 10,000.")
    owner_id: strawberry.ID | None = strawberry.field(
        default=None, description="For TRANSFER and ASSIGN: who gets the customers."
    )
    pool_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="For ASSIGN by a filter: the pool whose customers are meant. For RELEASE: where to; that which "
        "`explainPool` tells of each if not given.",
    )
    reason: str | None = strawberry.field(
        default=None, description="For RELEASE: a code in capital letters, e.g. `NO_BUDGET`."
    )
    note: str | None = strawberry.field(default=None, description="For TRANSFER, ASSIGN and RELEASE.")
    tags: list[str] | None = strawberry.field(default=None, description="For ADD_TAGS and REMOVE_TAGS.")
    fields: CustomerBatchFieldsInput | None = strawberry.field(
        default=None, description="For UPDATE_FIELDS: the fields that are given are set, to null as well."
    )
    request_id: RequestId = None


@strawberry.type
class BatchesMutation:
    @mutation("Queues an action on many customers. Each is judged by itself when its turn comes.")
    async def start_customer_batch(
        self,
        info: Info,
        input: StartCustomerBatchInput,  # noqa: A002
    ) -> CustomerBatch | None:
        request = pb.StartCustomerBatchRequest(
            action=input.action.value,
            filter=to_filter(input.filter, customer_pb2.Customer.DESCRIPTOR),
            search=input.search or "",
            names=input.ids or (),
            owner=input.owner_id or "",
            pool=input.pool_id or "",
            reason=input.reason or "",
            note=input.note or "",
            tags=input.tags or (),
            customer=input.fields.to_proto() if input.fields else None,
            update_mask=input.fields.mask() if input.fields else None,
            request_id=input.request_id or "",
        )
        return CustomerBatch(await info.context.calls(info.context.services.batches.StartCustomerBatch, request))

    @mutation("Stops an action on many customers. What was done before stays.")
    async def cancel_customer_batch(self, info: Info, input: JobInput) -> CustomerBatch | None:  # noqa: A002
        request = pb.CancelCustomerBatchRequest(name=input.id, request_id=input.request_id or "")
        return CustomerBatch(await info.context.calls(info.context.services.batches.CancelCustomerBatch, request))
