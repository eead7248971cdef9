"""How customers stand to one another, who decides at them, and one search over all."""

from datetime import date
from typing import TYPE_CHECKING

import strawberry
from crm.customers.v1 import (
    contact_service_pb2,
    customer_relation_pb2,
    customer_relation_service_pb2,
    search_service_pb2,
)

from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect
from gateway.context import Info
from gateway.contracts import enum_of
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.operations.fetching import pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.relations import CustomerRelation, DecisionChain, RelationGraph, SearchResults

if TYPE_CHECKING:
    from enum import Enum as CustomerRelationKind
else:
    CustomerRelationKind = enum_of(customer_relation_pb2.DESCRIPTOR.enum_types_by_name["CustomerRelationKind"])


@strawberry.type
class RelationsQuery:
    @field("The relations of a customer in both directions, the newest first.")
    async def customer_relations(
        self,
        info: Info,
        customer: strawberry.ID,
        first: First = DEFAULT_PAGE,
        after: After = None,
        kinds: list[CustomerRelationKind] | None = None,
    ) -> Connection[CustomerRelation] | None:
        fetch = pages(
            info.context,
            info.context.services.relations.ListCustomerRelations,
            customer_relation_service_pb2.ListCustomerRelationsRequest,
            "customer_relations",
            customer=customer,
            kinds=[kind.value for kind in kinds or ()],
        )
        return await connect(first, after, CustomerRelation, fetch)

    @field(
        "The customers that are related to one by at most `depth` steps, 1 to 5, on a day, today if not given. "
        "Those that the caller may not see are left out and counted."
    )
    async def relation_graph(
        self,
        info: Info,
        customer: strawberry.ID,
        depth: int = 2,
        kinds: list[CustomerRelationKind] | None = None,
        on_date: date | None = None,
    ) -> RelationGraph | None:
        request = customer_relation_service_pb2.GetRelationGraphRequest(
            customer=customer,
            depth=depth,
            kinds=[kind.value for kind in kinds or ()],
            on_date=on_date.isoformat() if on_date else "",
        )
        return RelationGraph(await info.context.calls(info.context.services.relations.GetRelationGraph, request))

    @field("Who decides at a customer: role, influence and stance of people, by whom they report to.")
    async def decision_chain(self, info: Info, customer: strawberry.ID) -> DecisionChain | None:
        request = contact_service_pb2.GetDecisionChainRequest(customer=customer)
        return DecisionChain.of(await info.context.calls(info.context.services.contacts.GetDecisionChain, request))

    @field(
        "Customers and contacts that hold every word of a query, at most `limit` (10, at most 50) of each, and why. A "
        "word is a part of a name or e-mail address, pinyin in full, by initials or mixed, a phone number or its end, "
        "or a credit code."
    )
    async def search(self, info: Info, query: str, limit: int = 10) -> SearchResults | None:
        request = search_service_pb2.SearchRecordsRequest(query=query, limit=limit)
        return SearchResults(await info.context.calls(info.context.services.search.SearchRecords, request))


@derive_input(
    customer_relation_pb2.CustomerRelation,
    required={"customer", "related", "kind"},
    hide={"name", "etag", "creator", "create_time", "update_time"},
    references={"customer", "related"},
)
class CreateCustomerRelationInput(Input[customer_relation_pb2.CustomerRelation]):
    request_id: RequestId = None


@derive_input(
    customer_relation_pb2.CustomerRelation,
    required={"name"},
    hide={"customer", "related", "kind", "creator", "create_time", "update_time"},
)
class UpdateCustomerRelationInput(Input[customer_relation_pb2.CustomerRelation]):
    request_id: RequestId = None


@strawberry.type
class RelationsMutation:
    @mutation("Enters how a customer stands to another. Nobody can be above themselves on any day.")
    async def create_customer_relation(
        self,
        info: Info,
        input: CreateCustomerRelationInput,  # noqa: A002
    ) -> CustomerRelation | None:
        request = customer_relation_service_pb2.CreateCustomerRelationRequest(
            customer_relation=input.to_proto(), request_id=input.request_id or ""
        )
        made = await info.context.calls(info.context.services.relations.CreateCustomerRelation, request)
        return CustomerRelation(made)

    @mutation("Changes when a relation holds, or its remark.")
    async def update_customer_relation(
        self,
        info: Info,
        input: UpdateCustomerRelationInput,  # noqa: A002
    ) -> CustomerRelation | None:
        request = customer_relation_service_pb2.UpdateCustomerRelationRequest(
            customer_relation=input.to_proto(), update_mask=input.mask(), request_id=input.request_id or ""
        )
        changed = await info.context.calls(info.context.services.relations.UpdateCustomerRelation, request)
        return CustomerRelation(changed)

    @mutation("Deletes a relation between customers and returns its id.")
    async def delete_customer_relation(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = customer_relation_service_pb2.DeleteCustomerRelationRequest(
            name=input.id, etag=input.etag or "", request_id=input.request_id or ""
        )
        await info.context.calls(info.context.services.relations.DeleteCustomerRelation, request)
        return input.id
