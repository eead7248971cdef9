"""Customers that became one."""

import strawberry
from crm.customers.v1 import customer_pb2, merge_service_pb2

from gateway.conditions import to_paths
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.fields import field, mutation
from gateway.operations.fetching import pages
from gateway.operations.requests import RequestId
from gateway.types.duplicates import CustomerMerge


@strawberry.input(description="Whose value a field takes.")
class MergeChoiceInput:
    field: str = strawberry.field(description="As in filters, e.g. `creditCode`, `address` or `custom.{key}`.")
    customer_id: strawberry.ID = strawberry.field(description="One of the customers that become one.")


@strawberry.input(description="Which customers become one, and whose values to take.")
class MergeInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer that stays.")
    other_ids: list[strawberry.ID] = strawberry.field(
        description="Those that become one with it, in the order in which they fill gaps; at most 10."
    )
    choices: list[MergeChoiceInput] | None = strawberry.field(
        default=None, description="Where not the first customer that has a value gives it."
    )


@strawberry.input(description="Merges customers.")
class MergeCustomersInput(MergeInput):
    etag: str | None = strawberry.field(
        default=None, description="That of the customer that stays. If given, it must be the current one."
    )
    request_id: RequestId = None


@strawberry.input(description="Which merge to take back.")
class UndoMergeInput:
    id: strawberry.ID = strawberry.field(description="The merge, `customerMerges/{uuid}`.")
    request_id: RequestId = None


def _choices(given: list[MergeChoiceInput] | None) -> list[merge_service_pb2.MergeChoice]:
    fields = to_paths([one.field for one in given or ()], customer_pb2.Customer.DESCRIPTOR)
    return [
        merge_service_pb2.MergeChoice(field=field, customer=one.customer_id)
        for field, one in zip(fields, given or (), strict=True)
    ]


@strawberry.type
class MergesQuery:
    @field("What a merge would do. Nothing is changed.")
    async def preview_merge(self, info: Info, input: MergeInput) -> CustomerMerge | None:  # noqa: A002
        request = merge_service_pb2.PreviewMergeRequest(
            customer=input.customer_id, others=input.other_ids, choices=_choices(input.choices)
        )
        return CustomerMerge(await info.context.calls(info.context.services.merges.PreviewMerge, request))

    @field("The merges into a customer, the newest first.")
    async def customer_merges(
        self, info: Info, customer: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[CustomerMerge] | None:
        request = merge_service_pb2.ListCustomerMergesRequest
        fetch = pages(
            info.context,
            info.context.services.merges.ListCustomerMerges,
            request,
            "customer_merges",
            customer=customer,
        )
        return await connect(first, after, CustomerMerge, fetch)


@strawberry.type
class MergesMutation:
    @mutation("Merges customers into one. It can be taken back for 30 days.")
    async def merge_customers(self, info: Info, input: MergeCustomersInput) -> CustomerMerge | None:  # noqa: A002
        request = merge_service_pb2.MergeCustomersRequest(
            customer=input.customer_id,
            others=input.other_ids,
            choices=_choices(input.choices),
            etag=input.etag or "",
            request_id=input.request_id or "",
        )
        return CustomerMerge(await info.context.calls(info.context.services.merges.MergeCustomers, request))

    @mutation("Takes a merge back: all customers are there again with what was theirs.")
    async def undo_merge(self, info: Info, input: UndoMergeInput) -> CustomerMerge | None:  # noqa: A002
        request = merge_service_pb2.UndoMergeRequest(name=input.id, request_id=input.request_id or "")
        return CustomerMerge(await info.context.calls(info.context.services.merges.UndoMerge, request))
