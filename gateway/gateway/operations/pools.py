"""Public pools: who may take which customers, and how they come and go."""

from datetime import date
from typing import Any

import strawberry
from crm.common.v1 import filter_pb2
from crm.customers.v1 import customer_pb2, pool_pb2
from crm.customers.v1 import pool_service_pb2 as pb

from gateway.conditions import FilterInput, to_filter
from gateway.connections import DEFAULT_PAGE, After, Connection, First, connect, page_fields
from gateway.context import Context, Info
from gateway.fields import field, mutation
from gateway.inputs import Input, derive_input
from gateway.nodes import Key
from gateway.operations.fetching import get_pool, pages
from gateway.operations.requests import DeleteInput, RequestId
from gateway.types.customers import Customer
from gateway.types.pools import (
    HoldingChange,
    HoldingOutcome,
    Pool,
    PoolExplanation,
    PoolFlow,
    PoolRuleVersion,
)

_OUTPUT = {"condition", "create_time", "update_time"}
_REFERENCES = {"departments", "members", "administrators"}


@strawberry.type(description="A page of a pool's customers.")
class PoolCustomerConnection(Connection[Customer]):
    pool: strawberry.Private[str]
    filter: strawberry.Private[filter_pb2.Filter | None]
    search: strawberry.Private[str]

    @field("How many there are on all pages. Counted only if asked for.")
    async def total_count(self, info: Info) -> int:
        request = pb.CountPoolCustomersRequest(pool=self.pool, filter=self.filter, search=self.search)
        return (await info.context.calls(info.context.services.pools.CountPoolCustomers, request)).count


@strawberry.type
class PoolsQuery:
    @field("A public pool.")
    async def pool(self, info: Info, key: Key) -> Pool | None:
        return await get_pool(info.context, key)

    @field("The pools that the caller belongs to, or all for who manages pools, in the order of their precedence.")
    async def pools(self, info: Info, first: First = DEFAULT_PAGE, after: After = None) -> Connection[Pool] | None:
        method = info.context.services.pools.ListPools
        return await connect(first, after, Pool, pages(info.context, method, pb.ListPoolsRequest, "pools"))

    @field("The versions of a pool's rules, the newest first.")
    async def pool_rule_versions(
        self, info: Info, pool: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[PoolRuleVersion] | None:
        method, request = info.context.services.pools.ListPoolRuleVersions, pb.ListPoolRuleVersionsRequest
        return await connect(first, after, PoolRuleVersion, pages(info.context, method, request, "versions", pool=pool))

    @field("The customers of a pool without its hidden fields, those that entered first first.")
    async def pool_customers(
        self,
        info: Info,
        pool: strawberry.ID,
        first: First = DEFAULT_PAGE,
        after: After = None,
        filter: FilterInput | None = None,  # noqa: A002 - the name in the schema
        search: str | None = None,
    ) -> PoolCustomerConnection | None:
        condition = to_filter(filter, customer_pb2.Customer.DESCRIPTOR)
        fetch = pages(
            info.context,
            info.context.services.pools.ListPoolCustomers,
            pb.ListPoolCustomersRequest,
            "customers",
            pool=pool,
            filter=condition,
            search=search or "",
        )
        fields = await page_fields(first, after, Customer, fetch)
        return PoolCustomerConnection(pool=str(pool), filter=condition, search=search or "", **fields)

    @field("A customer of a pool without its hidden fields. It counts towards the daily limit of views.")
    async def pool_customer(self, info: Info, key: Key) -> Customer | None:
        request = pb.GetPoolCustomerRequest(name=key)
        return Customer(await info.context.calls(info.context.services.pools.GetPoolCustomer, request))

    @field("Which pool a customer would fall into now, and why not into others.")
    async def explain_pool(self, info: Info, customer: strawberry.ID) -> PoolExplanation | None:
        request = pb.ExplainPoolRequest(name=customer)
        return PoolExplanation(await info.context.calls(info.context.services.pools.ExplainPool, request))

    @field("Who held a customer, the newest change first.")
    async def holding_changes(
        self, info: Info, customer: strawberry.ID, first: First = DEFAULT_PAGE, after: After = None
    ) -> Connection[HoldingChange] | None:
        method, request = info.context.services.pools.ListHoldingChanges, pb.ListHoldingChangesRequest
        return await connect(
            first, after, HoldingChange, pages(info.context, method, request, "changes", customer=customer)
        )

    @field("How many customers came and went in a period of days, for each pool and each owner.")
    async def pool_flow(self, info: Info, from_date: date, to_date: date) -> PoolFlow | None:
        request = pb.GetPoolFlowRequest(from_date=from_date.isoformat(), to_date=to_date.isoformat())
        return PoolFlow(await info.context.calls(info.context.services.pools.GetPoolFlow, request))


@derive_input(
    pool_pb2.Pool,
    required={"display_name"},
    hide={"name", "etag", *_OUTPUT},
    references={"departments", "members", "administrators"},
)
class CreatePoolInput(Input[pool_pb2.Pool]):
    condition: FilterInput | None = strawberry.field(
        default=None, description="Only customers that fulfil this fall into it."
    )
    request_id: RequestId = None


@derive_input(pool_pb2.Pool, required={"name"}, hide=_OUTPUT, references=_REFERENCES)
class UpdatePoolInput(Input[pool_pb2.Pool]):
    condition: FilterInput | None = strawberry.field(
        default=strawberry.UNSET, description="Only customers that fulfil this fall into it; null for all."
    )
    request_id: RequestId = None


@strawberry.input(description="Takes customers out of their pools.")
class ClaimCustomersInput:
    ids: list[strawberry.ID] = strawberry.field(description="At most 100.")
    request_id: RequestId = None


@strawberry.input(description="Takes the customers out of a pool that have waited longest.")
class ClaimNextCustomersInput:
    pool_id: strawberry.ID
    count: int = 1
    filter: FilterInput | None = strawberry.field(default=None, description="Only customers that fulfil this.")
    request_id: RequestId = None


@strawberry.input(description="Gives customers of pools to somebody.")
class AssignPoolCustomersInput:
    ids: list[strawberry.ID] = strawberry.field(description="At most 100.")
    owner_id: strawberry.ID
    note: str | None = None
    request_id: RequestId = None


@strawberry.input(description="Moves customers to another pool.")
class MovePoolCustomersInput:
    ids: list[strawberry.ID] = strawberry.field(description="At most 100.")
    pool_id: strawberry.ID
    note: str | None = None
    request_id: RequestId = None


@strawberry.input(description="Gives or takes a customer back to a pool.")
class ReturnCustomerInput:
    id: strawberry.ID
    pool_id: strawberry.ID | None = strawberry.field(
        default=None, description="That which `explainPool` tells if not given."
    )
    reason: str = strawberry.field(description="A code in capital letters, e.g. `NO_BUDGET`.")
    note: str | None = None
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.input(description="Locks or unlocks a customer.")
class LockCustomerInput:
    id: strawberry.ID
    locked: bool
    etag: str | None = strawberry.field(default=None, description="If given, it must be the current one.")
    request_id: RequestId = None


@strawberry.type
class PoolsMutation:
    @mutation("Creates a public pool. Its rules hold at once.")
    async def create_pool(self, info: Info, input: CreatePoolInput) -> Pool | None:  # noqa: A002
        request = pb.CreatePoolRequest(pool=_stated(input), request_id=input.request_id or "")
        return Pool(await info.context.calls(info.context.services.pools.CreatePool, request))

    @mutation("Changes a public pool. Changed rules hold from the next day on.")
    async def update_pool(self, info: Info, input: UpdatePoolInput) -> Pool | None:  # noqa: A002
        mask = input.mask()
        if input.condition is not strawberry.UNSET:
            mask.paths.append("condition")
        request = pb.UpdatePoolRequest(pool=_stated(input), update_mask=mask, request_id=input.request_id or "")
        return Pool(await info.context.calls(info.context.services.pools.UpdatePool, request))

    @mutation("Deletes a public pool that holds no customers, and returns its id.")
    async def delete_pool(self, info: Info, input: DeleteInput) -> strawberry.ID | None:  # noqa: A002
        request = pb.DeletePoolRequest(name=input.id, etag=input.etag or "", request_id=input.request_id or "")
        await info.context.calls(info.context.services.pools.DeletePool, request)
        return input.id

    @mutation("Makes the caller the owner of customers in pools. Each is judged by itself.")
    async def claim_customers(self, info: Info, input: ClaimCustomersInput) -> list[HoldingOutcome] | None:  # noqa: A002
        request = pb.ClaimCustomersRequest(names=input.ids, request_id=input.request_id or "")
        return await _outcomes(info.context, info.context.services.pools.ClaimCustomers, request)

    @mutation("Makes the caller the owner of the customers that have waited longest in a pool.")
    async def claim_next_customers(
        self,
        info: Info,
        input: ClaimNextCustomersInput,  # noqa: A002
    ) -> list[Customer] | None:
        request = pb.ClaimNextCustomersRequest(
            pool=input.pool_id,
            count=input.count,
            filter=to_filter(input.filter, customer_pb2.Customer.DESCRIPTOR),
            request_id=input.request_id or "",
        )
        answer = await info.context.calls(info.context.services.pools.ClaimNextCustomers, request)
        return [Customer(message) for message in answer.customers]

    @mutation("Gives customers of pools to somebody. For the pools' administrators.")
    async def assign_pool_customers(
        self,
        info: Info,
        input: AssignPoolCustomersInput,  # noqa: A002
    ) -> list[HoldingOutcome] | None:
        request = pb.AssignPoolCustomersRequest(
            names=input.ids, owner=input.owner_id, note=input.note or "", request_id=input.request_id or ""
        )
        return await _outcomes(info.context, info.context.services.pools.AssignPoolCustomers, request)

    @mutation("Moves customers to another pool. For administrators of both.")
    async def move_pool_customers(
        self,
        info: Info,
        input: MovePoolCustomersInput,  # noqa: A002
    ) -> list[HoldingOutcome] | None:
        request = pb.MovePoolCustomersRequest(
            names=input.ids, pool=input.pool_id, note=input.note or "", request_id=input.request_id or ""
        )
        return await _outcomes(info.context, info.context.services.pools.MovePoolCustomers, request)

    @mutation("Gives a customer back to a pool.")
    async def release_customer(self, info: Info, input: ReturnCustomerInput) -> Customer | None:  # noqa: A002
        request = pb.ReleaseCustomerRequest(**_returned(input))
        return Customer(await info.context.calls(info.context.services.pools.ReleaseCustomer, request))

    @mutation("Takes a customer from its owner back to a pool. For managers.")
    async def recall_customer(self, info: Info, input: ReturnCustomerInput) -> Customer | None:  # noqa: A002
        request = pb.RecallCustomerRequest(**_returned(input))
        return Customer(await info.context.calls(info.context.services.pools.RecallCustomer, request))

    @mutation("Locks a customer, so that no rule takes it from its owner, or unlocks it.")
    async def lock_customer(self, info: Info, input: LockCustomerInput) -> Customer | None:  # noqa: A002
        request = pb.LockCustomerRequest(
            name=input.id, locked=input.locked, etag=input.etag or "", request_id=input.request_id or ""
        )
        return Customer(await info.context.calls(info.context.services.pools.LockCustomer, request))


def _stated(given: CreatePoolInput | UpdatePoolInput) -> pool_pb2.Pool:
    message = given.to_proto()
    if given.condition:
        condition = to_filter(given.condition, customer_pb2.Customer.DESCRIPTOR)
        if condition is not None:
            message.condition.CopyFrom(condition)
    return message


def _returned(given: ReturnCustomerInput) -> dict[str, str]:
    return {
        "name": given.id,
        "pool": given.pool_id or "",
        "reason": given.reason,
        "note": given.note or "",
        "etag": given.etag or "",
        "request_id": given.request_id or "",
    }


async def _outcomes(context: Context, method: Any, request: Any) -> list[HoldingOutcome]:
    return [HoldingOutcome(message) for message in (await context.calls(method, request)).outcomes]
